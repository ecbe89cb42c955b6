//! Flash and RAM of the firmware, by part, and of the core alone; held against a budget.

#[cfg(unix)]
mod tool;

#[cfg(unix)]
fn main() -> std::process::ExitCode {
    tool::main()
}

#[cfg(not(unix))]
fn main() -> std::process::ExitCode {
    eprintln!("sizes is a tool for Linux and macOS");
    std::process::ExitCode::FAILURE
}
