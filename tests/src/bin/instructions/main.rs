//! Counts the instructions of the core and the listeners, and holds them against the budget.

#[cfg(target_os = "linux")]
mod tool;

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    tool::main()
}

#[cfg(not(target_os = "linux"))]
fn main() -> std::process::ExitCode {
    eprintln!("instructions is a tool for Linux");
    std::process::ExitCode::FAILURE
}
