//! The wing that measures: speed beside other echoes, memory, system calls, instructions.
//!
//! All of it but the reports is for Linux: it reads `/proc`, and keeps each side of a measurement
//! on a core of its own.

#[cfg(target_os = "linux")]
pub mod compare;
#[cfg(target_os = "linux")]
pub mod cost;
pub mod estimate;
#[cfg(target_os = "linux")]
pub mod measure;
pub mod report;

use std::fmt::Display;
use std::io;

/// Puts what was being done before the text of an error.
pub(crate) fn context(doing: impl Display) -> impl FnOnce(io::Error) -> io::Error {
    move |error| io::Error::new(error.kind(), format!("{doing}: {error}"))
}
