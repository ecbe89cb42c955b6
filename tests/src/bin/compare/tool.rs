//! Compares the project's echo server with others, side by side on this machine.

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use linecho_tests::bench::compare::programs::Peer;
use linecho_tests::bench::compare::{Part, crowd, smoltcp, sockets, spin};
use linecho_tests::bench::cost;
use linecho_tests::bench::measure::machine::Cores;
use linecho_tests::bench::report::Report;
use linecho_tests::firmware::side_by_side;

/// Compares echo-server with other line echoes, side by side on this machine.
///
/// Builds each server that this machine has the tools for, runs them in turn on one core against
/// one load on another that checks every byte, and prints medians over the rounds and ratios to a
/// hand-written epoll loop in C. That loop runs twice in each round: what its two columns differ by
/// is noise. What other processes disturb is measured again, a few times.
///
/// Beside what a bound is about stands the range that its true median is in, with 95 % confidence.
/// Exits 1 when echo-server falls short of a bound: when all of that range is beyond it. When only
/// the median is, the verdict is "within noise", and more rounds tell.
#[derive(Parser)]
#[command(name = "compare")]
struct Arguments {
    /// Number of measurements of each server; fewer for what takes long or hardly varies
    #[arg(long, value_name = "NUMBER", default_value_t = 41)]
    rounds: usize,

    /// Time for which a steady load is measured, in milliseconds
    #[arg(long, value_name = "MILLISECONDS", default_value_t = 200)]
    time: u64,

    /// Three short rounds: a first impression, too noisy for a verdict
    #[arg(long, conflicts_with_all = ["rounds", "time"])]
    quick: bool,

    /// Measure only this; may be given several times [default: everything]
    #[arg(long, value_name = "PART")]
    only: Vec<Part>,

    /// The servers to compare, separated by commas [default: all]
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    peers: Vec<Peer>,

    /// Compare the firmware with a plain echo on smoltcp and one in C on lwIP instead: bytes, and
    /// instructions as the emulator counts them
    #[arg(long, conflicts_with_all = ["rounds", "time", "quick", "only", "peers"])]
    firmware: bool,

    /// Write the figures to this file, as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

pub(crate) fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let found = if arguments.firmware {
        side_by_side::measure().map_err(io::Error::other)
    } else {
        measure(&arguments)
    };
    match found.and_then(|report| report.publish(arguments.json.as_deref())) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("compare: {error}");
            ExitCode::FAILURE
        }
    }
}

fn measure(arguments: &Arguments) -> io::Result<Report> {
    let (rounds, milliseconds) = match arguments.quick {
        true => (3, 200),
        false => (arguments.rounds, arguments.time),
    };
    let time = Duration::from_millis(milliseconds);
    let parts = or_all(&arguments.only);
    // Before anything keeps this thread, which puts on the load, on one of them.
    let cores = Cores::of_this_machine()?;
    if cores.shared() {
        eprintln!("one core for both sides: the ratios say less than with two");
    }
    let mut report = Report::default();

    let workloads: Vec<_> = parts.iter().filter_map(|part| part.workload()).collect();
    if !workloads.is_empty() {
        let peers = or_all(&arguments.peers);
        report.append(sockets::run(
            &peers,
            sockets::Plan {
                workloads,
                rounds,
                time,
                cores,
            },
        )?);
    }
    if parts.contains(&Part::Crowd) {
        report.append(crowd::run(rounds, cores)?);
    }
    if parts.contains(&Part::Spin) {
        report.append(spin::run(rounds, time, cores)?);
    }
    if parts.contains(&Part::Core) {
        report.append(cost::time::run()?);
    }
    if parts.contains(&Part::Loopback) {
        report.append(smoltcp::loopback::run()?);
    }
    if parts.contains(&Part::Flat) {
        report.append(smoltcp::flat::run()?);
    }
    // The last one, since it leaves the network of this machine.
    if parts.contains(&Part::Tap) {
        report.append(smoltcp::tap::run(rounds, time, cores)?);
    }
    Ok(report)
}

/// Returns what was chosen, or everything that there is.
fn or_all<T: ValueEnum>(chosen: &[T]) -> Vec<T> {
    match chosen {
        [] => T::value_variants().to_vec(),
        chosen => chosen.to_vec(),
    }
}
