//! The firmware of `examples/firmware`: builds its images, boots them in QEMU, talks to them.
//!
//! QEMU's user network forwards one port of 127.0.0.1 to the echo port of the board, and nothing
//! else: the board reaches neither the host nor any other machine (`restrict=on`).

use std::fmt;
use std::io::Write;
use std::path::PathBuf;

pub mod checks;
pub mod core_alone;
pub mod elf;
pub mod image;
pub mod machine;
pub mod parts;
pub mod toolchain;

pub use image::{Board, Image};
pub use machine::{Machine, Session};

/// The target of both boards.
pub const TARGET: &str = "thumbv7m-none-eabi";

/// Why something about the firmware could not be done.
#[derive(Debug)]
pub enum Problem {
    /// A tool is not installed; the text says which, and the command that installs it.
    Missing(String),
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
            Self::Missing(text) | Self::Failed(text) => f.write_str(text),
        }
    }
}

impl std::error::Error for Problem {}

/// For tests: the result, or `None` when a tool is missing, which is then said on stderr. With
/// `LINECHO_REQUIRE_ALL=1` in the environment nothing may be missing.
///
/// # Panics
///
/// When it failed, or something is missing that is required.
#[must_use]
pub fn or_skip<T>(result: Result<T, Problem>) -> Option<T> {
    let required = std::env::var_os("LINECHO_REQUIRE_ALL").is_some_and(|value| value == "1");
    match result {
        Ok(done) => Some(done),
        Err(Problem::Missing(reason)) if !required => {
            // Not `eprintln!`, whose output the test harness hides when a test passes.
            let _ = writeln!(std::io::stderr(), "SKIPPED: {reason}");
            None
        }
        Err(problem) => panic!("{problem}"),
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
