//! Bad networks: a link with faults, and hostile peers of a running server.

#[cfg(target_os = "linux")]
mod hostile;
mod link;

use std::io;
use std::path::Path;
use std::process::ExitCode;

use clap::Parser;
use linecho_tests::bench::report::Report;

/// Puts servers on bad networks, and fails when they lose something.
#[derive(Parser)]
#[command(name = "soak")]
enum Command {
    Link(link::Arguments),
    #[cfg(target_os = "linux")]
    Hostile(hostile::Arguments),
}

fn main() -> ExitCode {
    match Command::parse() {
        Command::Link(arguments) => publish(Ok(link::soak(&arguments)), arguments.json.as_deref()),
        #[cfg(target_os = "linux")]
        Command::Hostile(arguments) => {
            publish(hostile::soak(&arguments), arguments.json.as_deref())
        }
    }
}

fn publish(report: io::Result<Report>, json: Option<&Path>) -> ExitCode {
    match report.and_then(|report| report.publish(json)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("soak: {error}");
            ExitCode::FAILURE
        }
    }
}
