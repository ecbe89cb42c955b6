//! Compares the project's echo server with others, side by side on this machine.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, ValueEnum as _};
use linecho_tests::compare::programs::Peer;
use linecho_tests::compare::sockets::{self, Plan};
use linecho_tests::compare::workloads::Workload;

/// Compares echo-server with other line echoes, side by side on this machine.
///
/// Builds each server that this machine has the tools for, runs them in turn on one core against
/// one load on another that checks every byte, and prints medians over the rounds and ratios to a
/// hand-written epoll loop in C. That loop runs twice in each round: what its two columns differ by
/// is noise. Exits 1 when echo-server falls short of a bound.
#[derive(Parser)]
#[command(name = "compare")]
struct Arguments {
    /// How often each server is measured
    #[arg(long, value_name = "NUMBER", default_value_t = 7)]
    rounds: usize,

    /// How long a steady load is measured, in milliseconds
    #[arg(long, value_name = "MILLISECONDS", default_value_t = 1_000)]
    time: u64,

    /// Three short rounds: a first impression, too noisy for a verdict
    #[arg(long, conflicts_with_all = ["rounds", "time"])]
    quick: bool,

    /// Ask only this of the servers; may be given several times
    #[arg(long, value_name = "WORKLOAD")]
    only: Vec<Workload>,

    /// The servers to compare, separated by commas [default: all]
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    peers: Vec<Peer>,

    /// Write the figures to this file, as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let found = sockets::run(plan(&arguments));
    match found.and_then(|report| report.publish(arguments.json.as_deref())) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("compare: {error}");
            ExitCode::FAILURE
        }
    }
}

fn plan(arguments: &Arguments) -> Plan {
    let (rounds, milliseconds) = match arguments.quick {
        true => (3, 300),
        false => (arguments.rounds, arguments.time),
    };
    let mut workloads = arguments.only.clone();
    if workloads.is_empty() {
        workloads.extend(Workload::value_variants());
    }
    let mut peers = arguments.peers.clone();
    if peers.is_empty() {
        peers.extend(Peer::value_variants());
    }
    Plan {
        peers,
        workloads,
        rounds,
        time: Duration::from_millis(milliseconds),
    }
}
