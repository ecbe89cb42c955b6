//! Echoes every line that it gets, to thousands of connections at once.

#[cfg(unix)]
mod admin;
#[cfg(unix)]
mod control;
#[cfg(unix)]
mod metrics;
mod options;
mod run;
mod sockets;
#[cfg(unix)]
mod stdio;
#[cfg(unix)]
mod systemd;
#[cfg(unix)]
mod takeover;

use std::io::{self, Write as _};
use std::process::ExitCode;

use linecho_examples::command_line;

use crate::options::Arguments;

fn main() -> ExitCode {
    let arguments: Arguments = command_line::parse();
    match run::program(&arguments) {
        Ok(code) => code,
        Err(error) => {
            // Not `eprintln!`, which panics when stderr is closed.
            let _ = writeln!(io::stderr(), "echo-server: cannot start the log: {error}");
            ExitCode::FAILURE
        }
    }
}
