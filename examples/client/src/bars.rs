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
        // Not `count_between`: it counts the whole cells of its two ends, and so a cell twice that
        // two ranges share.
        let is_in = |from: u64| from <= high && (from > low || rows.is_empty());
        let counts = cells(histogram).filter(|(from, _)| is_in(*from));
        let count: u64 = counts.map(|(_, count)| count).sum();
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

/// The cells of a histogram that have counts: the least time of each, and its count.
fn cells(histogram: &Histogram<u64>) -> impl Iterator<Item = (u64, u64)> {
    let cells = histogram.iter_recorded();
    cells.map(|it| {
        let least = histogram.lowest_equivalent(it.value_iterated_to());
        (least, it.count_at_value())
    })
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
        assert!((percents(&text) - 100.0).abs() < 0.1, "{text}");
    }

    #[test]
    fn a_time_at_the_end_of_a_range_counts_once() {
        let mut histogram = latency::histogram();
        for nanos in (15_500..17_000)
            .chain(31_500..33_000)
            .chain(8_191_000..8_193_000)
        {
            histogram.record(nanos).unwrap();
        }
        let text = of(&histogram);
        assert!((percents(&text) - 100.0).abs() < 0.1, "{text}");
    }

    fn percents(text: &str) -> f64 {
        text.lines()
            .map(|line| line[17..24].trim().parse::<f64>().unwrap())
            .sum()
    }
}
