//! Four wings: the scenarios that every adapter is tested with, the tools that measure, those that
//! build and boot the firmware, and the hostile network. `README.md` beside this crate's manifest
//! says which tool answers which question.

pub mod bench;
pub mod conformance;
#[cfg(unix)]
pub mod firmware;
#[cfg(target_os = "linux")]
pub mod hostile;
#[cfg(target_os = "linux")]
pub mod namespace;
