//! The command line.

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use linecho_tests::hostile::torture::{self, Extent};

/// Has system calls of an echo-server fail, and fails when it does not survive that.
///
/// Each call that the server makes fails with each error of its man page, injected by strace: the
/// first, the second, every third, and all of them for a while. Clients check every byte meanwhile.
/// A connection may end when a call for it fails; all others are exact. Nothing leaks, new clients
/// are served, and the server stops when it is asked to. A server whose calls fail from its start
/// serves, or says why not. Exits 1 when something is not so.
#[derive(Parser)]
#[command(name = "torture")]
struct Arguments {
    /// Only these calls, or pairs like accept4:EMFILE
    #[arg(value_name = "CALL")]
    only: Vec<String>,

    /// Try a part of the pairs, on one schedule
    #[arg(long)]
    quick: bool,

    /// Write the figures to this file, as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

pub(crate) fn main() -> ExitCode {
    match torture(&Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("torture: {error}");
            ExitCode::FAILURE
        }
    }
}

fn torture(arguments: &Arguments) -> io::Result<bool> {
    torture::available().map_err(io::Error::other)?;
    let extent = match arguments.quick {
        true => Extent::Quick,
        false => Extent::Whole,
    };
    let outcome = torture::run(extent, &arguments.only);
    for fault in &outcome.faults {
        eprintln!("{fault}");
    }
    outcome.report.publish(arguments.json.as_deref())
}
