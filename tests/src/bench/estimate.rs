//! An estimate of a figure, and how sure it is.

/// The part of all measurements whose true median may be outside the range that is given.
const DOUBT: f64 = 0.05;

/// The median of some figures, and the range in which the median of endlessly many would be, with
/// 95 % confidence.
///
/// The range is from the k-th smallest to the k-th largest figure, whatever their distribution (the
/// interval of the sign test: W. J. Conover, Practical Nonparametric Statistics, 3.2). Fewer than
/// six figures cannot be that sure: it is the range of all then.
#[derive(Clone, Copy, Debug)]
pub struct Estimate {
    /// The middle one of the figures.
    pub median: f64,
    /// The least that it may truly be.
    pub low: f64,
    /// The most.
    pub high: f64,
}

impl Estimate {
    /// All are NaN where there are no figures.
    #[must_use]
    pub fn of(figures: &[f64]) -> Self {
        let mut sorted = figures.to_vec();
        sorted.sort_by(f64::total_cmp);
        let outside = left_out(sorted.len());
        let at = |place: Option<usize>| place.and_then(|place| sorted.get(place).copied());
        Self {
            median: median(&sorted),
            low: at(Some(outside)).unwrap_or(f64::NAN),
            high: at(sorted.len().checked_sub(outside + 1)).unwrap_or(f64::NAN),
        }
    }

    /// A figure that is the same each time.
    #[must_use]
    pub fn exact(figure: f64) -> Self {
        Self::of(&[figure])
    }
}

/// The number of figures, of `count`, that are outside the range at each end: as many as are on the
/// same side of the true median seldom enough, each being there half of the time.
fn left_out(count: usize) -> usize {
    let (mut outside, mut seldom) = (0, 0.0);
    // As a logarithm: it is too small a number else when there are many figures.
    let mut probability = count as f64 * 0.5_f64.ln();
    loop {
        seldom += probability.exp();
        if seldom > DOUBT / 2.0 || outside >= count {
            return outside.saturating_sub(1);
        }
        probability += ((count - outside) as f64 / (outside + 1) as f64).ln();
        outside += 1;
    }
}

/// The middle one of the figures, the mean of the two middle ones when their number is even; NaN of
/// none.
#[must_use]
pub fn median(figures: &[f64]) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => sorted[n / 2],
        n => f64::midpoint(sorted[n / 2 - 1], sorted[n / 2]),
    }
}

#[cfg(test)]
mod tests {
    use super::{Estimate, left_out, median};

    /// From the table of the binomial distribution: P(X <= k - 1) is at most 0.025 for n of them.
    #[test]
    fn the_range_is_that_of_the_sign_test() {
        let few = [(1, 1), (5, 1), (6, 1), (8, 1), (9, 2), (15, 4)];
        let many = [(21, 6), (42, 15), (101, 41), (501, 229), (2_000, 956)];
        for (n, k) in few.into_iter().chain(many) {
            assert_eq!(left_out(n) + 1, k, "{n}");
        }
    }

    #[test]
    fn outliers_do_not_count() {
        let mut figures: Vec<_> = (0..21).map(f64::from).collect();
        figures[20] = 1e9;
        let found = Estimate::of(&figures);
        assert_eq!([found.low, found.median, found.high], [5.0, 10.0, 15.0]);
        let found = Estimate::exact(6.0);
        assert_eq!([found.low, found.median, found.high], [6.0; 3]);
        assert!(Estimate::of(&[]).high.is_nan());
    }

    #[test]
    fn the_median_of_odd_and_even_numbers_of_figures() {
        assert!((median(&[3.0, 1.0, 2.0]) - 2.0).abs() < 1e-9);
        assert!((median(&[4.0, 1.0, 2.0, 3.0]) - 2.5).abs() < 1e-9);
        assert!(median(&[]).is_nan());
    }
}
