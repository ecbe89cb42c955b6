//! Why a session ended.

use core::fmt;

use embedded_io::ErrorKind;

/// Why a session ended. Each session ends with exactly one reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Reason {
    /// The peer shut down its sending side, and everything went back to it.
    PeerClosed,
    /// Nothing went through for the idle timeout.
    Idle,
    /// The peer took none of the output that was ready for it during the write timeout.
    WriteStalled,
    /// A line did not fit in the buffer, and the policy was [`LongLines::Close`](crate::LongLines).
    LineTooLong,
    /// Reading or writing failed: a reset by the peer or any other I/O error, whose kind is kept.
    Reset(ErrorKind),
    /// Our side asked the session to finish.
    Shutdown,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PeerClosed => f.write_str("peer closed"),
            Self::Idle => f.write_str("idle"),
            Self::WriteStalled => f.write_str("write stalled"),
            Self::LineTooLong => f.write_str("line too long"),
            Self::Reset(kind) => write!(f, "reset ({kind:?})"),
            Self::Shutdown => f.write_str("shutdown"),
        }
    }
}
