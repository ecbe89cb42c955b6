//! Measures the memory that a server has for each connection.

#[cfg(target_os = "linux")]
mod tool;

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    tool::main()
}

#[cfg(not(target_os = "linux"))]
fn main() -> std::process::ExitCode {
    eprintln!("footprint is a tool for Linux");
    std::process::ExitCode::FAILURE
}
