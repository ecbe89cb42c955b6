//! Compares the project's echo server with others, side by side on this machine.

#[cfg(target_os = "linux")]
mod tool;

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    tool::main()
}

#[cfg(not(target_os = "linux"))]
fn main() -> std::process::ExitCode {
    eprintln!("compare is a tool for Linux");
    std::process::ExitCode::FAILURE
}
