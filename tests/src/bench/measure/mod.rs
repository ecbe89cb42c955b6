//! Measuring an echo server from outside: it runs as a process on one core, the load on another,
//! and what it costs is read from `/proc`. Nothing here knows which server it is.

pub mod burst;
pub mod estimate;
pub mod idle;
pub mod load;
pub mod machine;
pub mod pattern;
pub mod quiet;
pub mod server;
pub mod system_calls;

use std::io;
use std::time::Duration;

use nix::time::ClockId;

/// How long a server may take for anything that a working one does in milliseconds: to start, to
/// echo what is in flight, to take in what has arrived. Longer is a failure of the measurement,
/// told as such.
pub const PATIENCE: Duration = Duration::from_secs(30);

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

/// The time that the calling thread has spent on a core so far: what other threads and processes take
/// of the core meanwhile does not count.
///
/// # Errors
/// When the kernel does not tell it (`clock_gettime(2)`).
pub fn thread_time() -> io::Result<Duration> {
    Ok(ClockId::CLOCK_THREAD_CPUTIME_ID.now()?.into())
}

/// `error`, with what was being done before it.
pub(crate) fn context(doing: impl std::fmt::Display) -> impl FnOnce(io::Error) -> io::Error {
    move |error| io::Error::new(error.kind(), format!("{doing}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::median;

    #[test]
    fn the_median_of_odd_and_even_numbers_of_figures() {
        assert!((median(&[3.0, 1.0, 2.0]) - 2.0).abs() < 1e-9);
        assert!((median(&[4.0, 1.0, 2.0, 3.0]) - 2.5).abs() < 1e-9);
        assert!(median(&[]).is_nan());
    }
}
