//! The pauses after accept(2) has failed.

use std::io::ErrorKind;
use std::time::Duration;

/// Decides how long to pause after accept(2) has failed.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    /// Failures since a connection was accepted that cost no pause.
    free: u8,
    /// Pauses since a connection was accepted.
    pauses: u8,
}

const SHORTEST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_millis(100);

/// The most failures in a row that cost no pause. A burst of clients that reset before they are
/// accepted fails as often as there are clients; more than these may wait a moment.
const FREE_FAILURES: u8 = 64;

impl Backoff {
    /// Notes that a connection was accepted.
    pub(crate) fn accepted(&mut self) {
        *self = Self::default();
    }

    /// Notes a failure. Returns the pause before the next attempt, if there is to be one.
    pub(crate) fn failed(&mut self, kind: ErrorKind) -> Option<Duration> {
        use ErrorKind::*;
        // Only this connection failed, and it is no longer in the queue, see accept(2). Anything
        // else lasts (no descriptors or memory: EMFILE, ENFILE, ENOBUFS, ENOMEM) or is unknown:
        // trying again at once would keep a core busy.
        let of_the_connection = matches!(
            kind,
            Interrupted
                | ConnectionAborted
                | ConnectionReset
                | NetworkDown
                | NetworkUnreachable
                | HostUnreachable
        );
        if of_the_connection && self.free < FREE_FAILURES {
            self.free += 1;
            return None;
        }
        let pause = SHORTEST_PAUSE * (1 << self.pauses.min(4));
        self.pauses = self.pauses.saturating_add(1);
        Some(pause.min(LONGEST_PAUSE))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(millis: u64) -> Option<Duration> {
        Some(Duration::from_millis(millis))
    }

    #[test]
    fn a_lack_of_descriptors_pauses_longer_and_longer() {
        let mut backoff = Backoff::default();
        let pauses: Vec<_> = (0..300).map(|_| backoff.failed(ErrorKind::Other)).collect();
        assert_eq!(
            pauses[..6],
            [ms(10), ms(20), ms(40), ms(80), ms(100), ms(100)]
        );
        assert_eq!(pauses[299], ms(100));
        backoff.accepted();
        assert_eq!(backoff.failed(ErrorKind::OutOfMemory), ms(10));
    }

    #[test]
    fn connections_that_fail_cost_a_pause_only_when_nothing_else_happens() {
        use ErrorKind::*;
        for kind in [
            Interrupted,
            ConnectionAborted,
            ConnectionReset,
            NetworkDown,
            NetworkUnreachable,
            HostUnreachable,
        ] {
            let mut backoff = Backoff::default();
            for _ in 0..3 {
                for _ in 0..FREE_FAILURES {
                    assert_eq!(backoff.failed(kind), None, "{kind}");
                }
                backoff.accepted();
            }
            let pauses: Vec<_> = (0..1000).filter_map(|_| backoff.failed(kind)).collect();
            assert_eq!(pauses.len(), 1000 - usize::from(FREE_FAILURES), "{kind}");
            assert_eq!(pauses.last().copied(), ms(100));
        }
    }
}
