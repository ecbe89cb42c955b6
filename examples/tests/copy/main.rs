//! The files of `examples/`, which people copy.

#[cfg(unix)]
mod files;
#[cfg(unix)]
mod smoltcp;

fn main() -> std::process::ExitCode {
    #[cfg(unix)]
    return files::main();
    #[cfg(not(unix))]
    std::process::ExitCode::SUCCESS
}
