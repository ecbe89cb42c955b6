//! What can be wrong with what comes back to a probe, in words for people.

use core::fmt;

use embedded_io::ErrorKind;

/// A place in what was sent, counted as people do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Place {
    /// The line, from 1.
    pub line: u64,
    /// The byte within the line, from 1.
    pub byte: u64,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, byte {}", self.line, self.byte)
    }
}

/// Why what came back is not what was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum ProbeError {
    /// Another byte came back than was sent.
    Mismatch {
        /// Where the first difference is.
        place: Place,
        /// The byte that was sent.
        expected: u8,
        /// The byte that came back.
        got: u8,
    },
    /// A byte came back that had not been sent.
    Unsent {
        /// The place behind everything that was sent.
        place: Place,
        /// The byte that came back.
        got: u8,
    },
    /// The peer closed before everything had come back.
    Missing {
        /// The first byte that is missing.
        place: Place,
        /// How many bytes are missing.
        bytes: u64,
    },
    /// Reading or writing failed.
    Io(ErrorKind),
}

impl fmt::Display for ProbeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mismatch {
                place,
                expected,
                got,
            } => {
                write!(f, "{place}: sent {expected:#04x}, got {got:#04x} back")
            }
            Self::Unsent { place, got } => {
                write!(f, "{place}: got {got:#04x}, which had not been sent")
            }
            Self::Missing { place, bytes } => {
                write!(
                    f,
                    "{place}: the peer closed with {bytes} bytes not yet come back"
                )
            }
            Self::Io(kind) => write!(f, "input or output failed: {kind:?}"),
        }
    }
}

impl core::error::Error for ProbeError {}

/// There is no room for the line now: wait until lines have come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct QueueFull;

impl fmt::Display for QueueFull {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no room to queue the line")
    }
}

impl core::error::Error for QueueFull {}
