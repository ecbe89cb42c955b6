//! The policy for long lines, as given on a command line.

use clap::ValueEnum;
use linecho_core::LongLines;

/// What happens to a line that is longer than `--max-line`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Policy {
    /// It goes back in pieces
    Flush,
    /// It is dropped
    Discard,
    /// Its connection is closed
    Close,
}

impl From<Policy> for LongLines {
    fn from(policy: Policy) -> Self {
        match policy {
            Policy::Flush => Self::Flush,
            Policy::Discard => Self::Discard,
            Policy::Close => Self::Close,
        }
    }
}
