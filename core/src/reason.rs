//! The reasons for which sessions end.

use core::fmt;

use embedded_io::ErrorKind;

/// The reason for which a session ended. Each session ends with exactly one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Reason {
    /// The peer shut down its sending side, and everything went back to it.
    PeerClosed,
    /// Nothing went through for the idle timeout.
    Idle,
    /// The peer took none of the output that was ready for it during the write timeout.
    WriteStalled,
    /// A line did not fit in the buffer, and the policy was [`LongLines::Close`](crate::LongLines).
    LineTooLong,
    /// The peer reset or aborted the connection.
    Reset,
    /// Anything else failed: an I/O error, a timeout of the transport, no storage.
    Failed(ErrorKind),
    /// Our side asked the session to finish.
    Shutdown,
}

impl Reason {
    /// Returns true if the connection is to be closed in order, so that the peer receives all that
    /// was sent to it: after [`PeerClosed`](Self::PeerClosed), [`LineTooLong`](Self::LineTooLong)
    /// and [`Shutdown`](Self::Shutdown). After the other reasons there is nothing left to wait for,
    /// and something may be lost that a reset tells the peer of.
    #[must_use]
    pub const fn is_orderly(self) -> bool {
        matches!(self, Self::PeerClosed | Self::LineTooLong | Self::Shutdown)
    }
}

/// The reason for an error of a transport: [`Reset`](Reason::Reset) for `ConnectionReset`,
/// `ConnectionAborted` and `BrokenPipe`, else [`Failed`](Reason::Failed).
///
/// `BrokenPipe` is among them because a session writes only while its own side is open: the peer
/// no longer receives, and TCP learns that from a reset.
impl From<ErrorKind> for Reason {
    fn from(kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted | ErrorKind::BrokenPipe => {
                Self::Reset
            }
            kind => Self::Failed(kind),
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PeerClosed => f.write_str("peer closed"),
            Self::Idle => f.write_str("idle"),
            Self::WriteStalled => f.write_str("write stalled"),
            Self::LineTooLong => f.write_str("line too long"),
            Self::Reset => f.write_str("reset"),
            Self::Failed(kind) => write!(f, "failed ({kind:?})"),
            Self::Shutdown => f.write_str("shutdown"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::string::ToString;

    use super::*;

    const ALL: [(Reason, &str, bool); 7] = [
        (Reason::PeerClosed, "peer closed", true),
        (Reason::Idle, "idle", false),
        (Reason::WriteStalled, "write stalled", false),
        (Reason::LineTooLong, "line too long", true),
        (Reason::Reset, "reset", false),
        (
            Reason::Failed(ErrorKind::TimedOut),
            "failed (TimedOut)",
            false,
        ),
        (Reason::Shutdown, "shutdown", true),
    ];

    #[test]
    fn each_has_its_words_and_its_way_to_close() {
        for (reason, words, orderly) in ALL {
            assert_eq!(
                (&*reason.to_string(), reason.is_orderly()),
                (words, orderly)
            );
        }
    }

    #[test]
    fn only_what_the_peer_did_is_a_reset() {
        use ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, Other, TimedOut};
        for kind in [ConnectionReset, ConnectionAborted, BrokenPipe] {
            assert_eq!(Reason::from(kind), Reason::Reset);
        }
        for kind in [
            Other,
            TimedOut,
            ErrorKind::OutOfMemory,
            ErrorKind::WriteZero,
        ] {
            assert_eq!(Reason::from(kind), Reason::Failed(kind));
        }
    }
}
