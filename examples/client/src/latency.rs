//! Times in a histogram with three digits, from a microsecond to an hour.

use std::time::Duration;

use hdrhistogram::Histogram;

/// Returns an empty one, in nanoseconds.
pub(crate) fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1_000, 3_600_000_000_000, 3).expect("these bounds are right")
}

pub(crate) fn record(histogram: &mut Histogram<u64>, time: Duration) {
    histogram.saturating_record(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
}

/// The time that `percent` of all do not exceed.
pub(crate) fn percentile(histogram: &Histogram<u64>, percent: f64) -> Duration {
    Duration::from_nanos(histogram.value_at_percentile(percent))
}
