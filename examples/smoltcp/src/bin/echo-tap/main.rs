//! A line echo on a TCP stack of its own, behind a TAP device of Linux or a UNIX socket.

#[cfg(target_os = "linux")]
mod address;
#[cfg(target_os = "linux")]
mod capture;
#[cfg(target_os = "linux")]
mod dhcp;
#[cfg(target_os = "linux")]
mod events;
#[cfg(target_os = "linux")]
mod guide;
#[cfg(target_os = "linux")]
mod host;
#[cfg(target_os = "linux")]
mod lifetime;
#[cfg(target_os = "linux")]
mod options;
#[cfg(target_os = "linux")]
mod run;
#[cfg(target_os = "linux")]
mod serve;
#[cfg(target_os = "linux")]
mod summary;

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    run::main()
}

#[cfg(not(target_os = "linux"))]
fn main() -> std::process::ExitCode {
    eprintln!("echo-tap: this needs Linux and its TAP devices; echo-loopback runs everywhere");
    std::process::ExitCode::FAILURE
}
