//! The causes of errors in one word each, and the phrases that errors share.

use std::fmt;
use std::io;

/// A reason in one fixed word, for scripts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Cause {
    /// The name could not be resolved.
    Dns,
    /// Nobody listens there.
    Refused,
    /// Nothing came in time.
    Timeout,
    /// There is no way to the address.
    Unreachable,
    /// The connection was reset.
    Reset,
    /// The connection ended before all had come back.
    Eof,
    /// Other bytes came back than were sent.
    Mismatch,
    /// Another service answers.
    NotAnEcho,
    /// The input was wrong.
    Usage,
    /// Anything else.
    Other,
}

impl Cause {
    /// Every cause.
    pub const ALL: [Self; 10] = [
        Self::Dns,
        Self::Refused,
        Self::Timeout,
        Self::Unreachable,
        Self::Reset,
        Self::Eof,
        Self::Mismatch,
        Self::NotAnEcho,
        Self::Usage,
        Self::Other,
    ];

    /// Classifies an error of a socket.
    #[must_use]
    pub fn of_io(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::ConnectionRefused => Self::Refused,
            io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe => Self::Reset,
            io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => Self::Timeout,
            io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::NetworkDown
            | io::ErrorKind::AddrNotAvailable => Self::Unreachable,
            io::ErrorKind::UnexpectedEof => Self::Eof,
            _ => Self::Other,
        }
    }

    /// The word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Dns => "DNS",
            Self::Refused => "REFUSED",
            Self::Timeout => "TIMEOUT",
            Self::Unreachable => "UNREACHABLE",
            Self::Reset => "RESET",
            Self::Eof => "EOF",
            Self::Mismatch => "MISMATCH",
            Self::NotAnEcho => "NOT_AN_ECHO",
            Self::Usage => "USAGE",
            Self::Other => "OTHER",
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The reason for which the unterminated rest of the last line alone does not come back.
pub(crate) const TAIL_LOST: &str = "the last line has no newline, so it comes back only at \
    half-close, and something between here and the server does not pass that on";

/// A number of bytes in words.
pub(crate) fn bytes(n: u64) -> String {
    counted(n, "byte")
}

/// A number with what it counts.
pub(crate) fn counted(n: u64, one: &str) -> String {
    match n {
        1 => format!("1 {one}"),
        n => format!("{n} {one}s"),
    }
}
