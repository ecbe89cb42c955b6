//! Boots the firmware in QEMU: to talk to it, or to check it.

#[cfg(unix)]
mod tool;

#[cfg(unix)]
fn main() -> std::process::ExitCode {
    tool::main()
}

#[cfg(not(unix))]
fn main() -> std::process::ExitCode {
    eprintln!("firmware is a tool for Linux and macOS");
    std::process::ExitCode::FAILURE
}
