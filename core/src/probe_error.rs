//! Errors of a probe, in words for people.

use core::ascii::escape_default;
use core::fmt;

use embedded_io::ErrorKind;

/// A position in what was sent, counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Position {
    /// The line, from 1.
    pub line: u64,
    /// The byte within the line, from 1.
    pub byte: u64,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, byte {}", self.line, self.byte)
    }
}

/// A difference between what came back and what was sent, or a failure to send or receive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum ProbeError {
    /// Another byte came back than was sent.
    Mismatch {
        /// The position of the first difference.
        position: Position,
        /// The byte that was sent.
        expected: u8,
        /// The byte that came back.
        got: u8,
    },
    /// A byte came back that had not been sent.
    Unsent {
        /// The position after everything that was sent.
        position: Position,
        /// The byte that came back.
        got: u8,
    },
    /// The peer closed before everything had come back.
    Missing {
        /// The position of the first byte that is missing.
        position: Position,
        /// The number of bytes that are missing.
        bytes: u64,
    },
    /// Reading or writing failed.
    Io(ErrorKind),
}

impl fmt::Display for ProbeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mismatch {
                position,
                expected,
                got,
            } => {
                let (expected, got) = (escape_default(*expected), escape_default(*got));
                write!(f, "{position}: '{expected}' came back as '{got}'")
            }
            Self::Unsent { position, got } => {
                let got = escape_default(*got);
                write!(f, "{position}: '{got}' came back, which had not been sent")
            }
            Self::Missing { position, bytes } => {
                let unit = if *bytes == 1 { "byte" } else { "bytes" };
                write!(f, "{position}: the peer closed with {bytes} {unit} missing")
            }
            Self::Io(kind) => write!(f, "input or output failed: {kind:?}"),
        }
    }
}

impl core::error::Error for ProbeError {}

/// A failed call of the transport.
impl From<ErrorKind> for ProbeError {
    fn from(kind: ErrorKind) -> Self {
        Self::Io(kind)
    }
}

/// The error of [`Probe::queue`](crate::Probe::queue): no room for the line until others have come
/// back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct QueueFull;

impl fmt::Display for QueueFull {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no room to queue the line")
    }
}

impl core::error::Error for QueueFull {}

#[cfg(test)]
mod tests;
