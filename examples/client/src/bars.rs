//! A histogram as text, in at most 80 columns.

use std::fmt::Write as _;

use hdrhistogram::Histogram;

/// The width of the longest bar.
const WIDTH: f64 = 40.0;

/// Draws one bar for each doubling of the time.
pub(crate) fn of(histogram: &Histogram<u64>) -> String {
    let mut rows = Vec::new();
    let mut low = 1_000;
    while low <= histogram.max() {
        let high = low * 2;
        // The counts of a range include those that are equal to its ends.
        let count = histogram.count_between(low + 1, high);
        let count = match rows.is_empty() {
            true => count + histogram.count_between(0, low),
            false => count,
        };
        if count > 0 || !rows.is_empty() {
            rows.push((high, count));
        }
        low = high;
    }
    let most = rows.iter().map(|(_, count)| *count).max().unwrap_or(1);
    let mut text = String::new();
    for (high, count) in rows {
        let bar = "#".repeat((count as f64 / most as f64 * WIDTH).ceil() as usize);
        let percent = count as f64 * 100.0 / histogram.len() as f64;
        let millis = high as f64 / 1e6;
        // Writing to a string does not fail.
        let _ = writeln!(text, "<= {millis:>10.3} ms {percent:>6.2} %  {bar}");
    }
    text.trim_end().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::latency;

    #[test]
    fn it_has_a_bar_for_each_doubling_and_fits_eighty_columns() {
        let mut histogram = latency::histogram();
        for (nanos, times) in [(900, 1), (1_500, 1000), (90_000, 10), (3_000_000_000, 1)] {
            histogram.record_n(nanos, times).unwrap();
        }
        let text = of(&histogram);
        assert!(text.lines().all(|line| line.len() <= 80), "{text}");
        assert!(text.starts_with("<=      0.002 ms"), "{text}");
        histogram.record_n(3_599_000_000_000, u64::MAX / 4).unwrap();
        let huge = of(&histogram);
        assert!(huge.lines().all(|line| line.len() <= 80), "{huge}");
        let longest = text.lines().map(|line| line.matches('#').count()).max();
        assert_eq!(longest, Some(40));
        let counted: f64 = text
            .lines()
            .map(|line| line[17..24].trim().parse::<f64>().unwrap())
            .sum();
        assert!((counted - 100.0).abs() < 0.1, "{counted}: {text}");
    }
}
