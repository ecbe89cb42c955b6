//! The pauses after the wait for events has failed.

use std::io;
use std::time::Duration;

use linecho_core::Instant;

use crate::pauses::Pauses;

/// Decides how long to pause after the wait for events has failed, and when to give up. No event is
/// lost meanwhile: the next wait reports it.
#[derive(Debug, Default)]
pub(crate) struct WaitFailures {
    /// The first of the failures in a row.
    since: Option<Instant>,
    pauses: Pauses,
}

/// The time after which failures in a row are taken to last.
const PATIENCE: Duration = Duration::from_secs(10);

impl WaitFailures {
    /// Notes that a wait has succeeded.
    #[inline]
    pub(crate) fn end(&mut self) {
        if self.since.is_some() {
            *self = Self::default();
        }
    }

    /// Notes a failure. Returns the pause before the next attempt.
    ///
    /// # Errors
    ///
    /// When the wait has failed for [`PATIENCE`].
    pub(crate) fn note(&mut self, error: &io::Error, now: Instant) -> io::Result<Duration> {
        let since = *self.since.get_or_insert(now);
        if now >= since + PATIENCE {
            let text = format!("waiting for events has failed for {PATIENCE:?}: {error}");
            return Err(io::Error::new(error.kind(), text));
        }
        Ok(self.pauses.next())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Instant = Instant::from_millis(1000);

    fn failure() -> io::Error {
        io::ErrorKind::OutOfMemory.into()
    }

    #[test]
    fn failures_pause_until_a_wait_succeeds() {
        let mut failures = WaitFailures::default();
        for _ in 0..2 {
            let pauses = (0..3).map(|_| failures.note(&failure(), START).unwrap().as_millis());
            assert_eq!(pauses.collect::<Vec<_>>(), [10, 20, 40]);
            failures.end();
        }
    }

    #[test]
    fn failures_that_last_ten_seconds_are_an_error_that_says_so() {
        let mut failures = WaitFailures::default();
        let late = START + Duration::from_millis(9_999);
        assert!(failures.note(&failure(), START).is_ok());
        assert!(failures.note(&failure(), late).is_ok());
        failures.end();
        assert!(failures.note(&failure(), late).is_ok());
        let error = failures.note(&failure(), late + PATIENCE).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::OutOfMemory);
        assert!(error.to_string().contains("failed for 10s"), "{error}");
    }
}
