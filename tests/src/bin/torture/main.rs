//! System calls that fail, in an echo-server that serves.

#[cfg(target_os = "linux")]
mod tool;

use std::process::ExitCode;

#[cfg(target_os = "linux")]
fn main() -> ExitCode {
    tool::main()
}

#[cfg(not(target_os = "linux"))]
fn main() -> ExitCode {
    eprintln!("torture is for Linux: it needs strace");
    ExitCode::FAILURE
}
