//! The pauses after accept(2) has failed.

use std::io::ErrorKind;
use std::time::Duration;

use crate::pauses::Pauses;

/// Decides how long to pause after accept(2) has failed.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    /// Failures since a connection was accepted that cost no pause.
    free: u8,
    /// Those since a connection was accepted.
    pauses: Pauses,
}

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
        Some(self.pauses.next())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(millis: u64) -> Option<Duration> {
        Some(Duration::from_millis(millis))
    }

    #[test]
    fn a_lack_of_descriptors_pauses_until_a_connection_is_accepted() {
        let mut backoff = Backoff::default();
        let pauses: Vec<_> = (0..3).map(|_| backoff.failed(ErrorKind::Other)).collect();
        assert_eq!(pauses, [ms(10), ms(20), ms(40)]);
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
