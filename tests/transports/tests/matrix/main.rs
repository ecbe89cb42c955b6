//! The core's drivers over the transports that people use: exactness, lines that are answered while
//! the peer waits, half-close, full peers, cancellation, the probe.
//!
//! Prints the table that stands in `core/README.md`, and fails if the two differ.

#[cfg(unix)]
mod checks;
#[cfg(unix)]
mod driven;
#[cfg(unix)]
mod implementers;
#[cfg(unix)]
mod peer;
#[cfg(unix)]
mod table;
#[cfg(target_os = "linux")]
#[path = "../common/tls.rs"]
mod tls;
#[cfg(target_os = "linux")]
#[path = "../common/two_stacks.rs"]
mod two_stacks;

#[cfg(unix)]
fn main() -> std::process::ExitCode {
    table::run(implementers::rows())
}

#[cfg(not(unix))]
fn main() {}
