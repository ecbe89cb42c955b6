//! The firmware of `examples/firmware`: builds its images, boots them in QEMU, talks to them.
//!
//! QEMU's user network forwards one port of 127.0.0.1 to the echo port of the board, and nothing
//! else: the board reaches neither the host nor any other machine (`restrict=on`).

use std::fmt;
use std::path::PathBuf;

use linecho_trials::Stop;

pub mod budget;
pub mod checks;
pub mod core_alone;
pub mod counter;
pub mod elf;
pub mod image;
pub mod instructions;
pub mod lwip;
pub mod machine;
pub mod parts;
pub mod side_by_side;
pub mod toolchain;

pub use image::{Board, Image};
pub use machine::{Machine, Session};

/// The target of both boards.
pub const TARGET: &str = "thumbv7m-none-eabi";

/// The reason for which something about the firmware could not be done.
#[derive(Clone, Debug)]
pub enum Problem {
    /// A tool is not installed.
    Missing {
        /// The tool.
        what: String,
        /// The command that installs it.
        enable: String,
    },
    /// It was tried and went wrong.
    Failed(String),
}

impl Problem {
    pub(crate) fn failed(text: impl Into<String>) -> Self {
        Self::Failed(text.into())
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing { what, enable } => write!(f, "{what}: run `{enable}`"),
            Self::Failed(text) => f.write_str(text),
        }
    }
}

impl std::error::Error for Problem {}

impl From<Problem> for Stop {
    fn from(problem: Problem) -> Self {
        match problem {
            Problem::Missing { what, enable } => Self::Skipped { why: what, enable },
            Problem::Failed(why) => Self::Failed(why),
        }
    }
}

/// The repository's root.
pub(crate) fn root() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// The folder of the firmware's workspace.
pub(crate) fn folder() -> PathBuf {
    root().join("examples/firmware")
}
