//! Measures the memory that a server has for each connection.

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use linecho_tests::bench::compare::programs::Peer;
use linecho_tests::bench::estimate::Estimate;
use linecho_tests::bench::measure::idle::Idle;
use linecho_tests::bench::measure::machine::{Cores, allow_connections};
use linecho_tests::bench::measure::server::{Program, Server};
use linecho_tests::bench::report::{Bound, Cell, Limit, Report, Row, Section, short};

/// The bytes of the unfinished line that each connection holds.
const UNFINISHED_BYTES: usize = 10;

/// The most that an idle connection may cost, in bytes, after it had a line echoed.
const IDLE_LIMIT: f64 = 128.0;

/// The most that a connection with an unfinished line may cost, in bytes.
const UNFINISHED_LIMIT: f64 = 8192.0;

/// Measures the memory that echo-server has for each connection.
///
/// Opens many connections, has a line echoed over each, and divides what the server's resident
/// memory has grown by their number. Then, with a fresh server, each connection holds an unfinished
/// line. Exits 1 when echo-server needs more than its bound.
#[derive(Parser)]
#[command(name = "footprint")]
struct Arguments {
    /// Number of connections to open
    #[arg(long, value_name = "NUMBER", default_value_t = 10_000)]
    connections: usize,

    /// The servers to measure, separated by commas; only echo-server has bounds
    #[arg(
        long,
        value_name = "LIST",
        value_delimiter = ',',
        default_value = "ours"
    )]
    peers: Vec<Peer>,

    /// Write the figures to this file, as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

pub(crate) fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match measure(&arguments).and_then(|report| report.publish(arguments.json.as_deref())) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("footprint: {error}");
            ExitCode::FAILURE
        }
    }
}

fn measure(arguments: &Arguments) -> io::Result<Report> {
    let cores = Cores::of_this_machine()?;
    allow_connections(arguments.connections)?;
    let mut report = Report::default();
    let mut columns = Vec::new();
    let (mut idle_cells, mut unfinished_cells) = (Vec::new(), Vec::new());
    for &peer in &arguments.peers {
        let Some(program) = peer.build()? else {
            continue;
        };
        let idle = idle(&program, cores, arguments.connections)?;
        let unfinished = unfinished(&program, cores, arguments.connections)?;
        columns.push(peer.column());
        idle_cells.push(cell(idle));
        unfinished_cells.push(cell(unfinished));
        if peer == Peer::Ours {
            let bound = |what: &str, value, limit| Bound {
                what: format!("bytes for each connection, {what}"),
                reached: Estimate::exact(value),
                limit: Limit::AtMost(limit),
            };
            report
                .bounds
                .push(bound("idle after one line", idle, IDLE_LIMIT));
            report.bounds.push(bound(
                "with an unfinished line",
                unfinished,
                UNFINISHED_LIMIT,
            ));
        }
    }
    let row = |id: &str, title: String, cells| Row {
        id: id.to_owned(),
        title,
        cells,
    };
    let unfinished = format!("with an unfinished line of {UNFINISHED_BYTES} bytes");
    report.sections.push(Section {
        title: format!("bytes for each of {} connections", arguments.connections),
        columns,
        rows: vec![
            row("idle", "idle after one line".to_owned(), idle_cells),
            row("unfinished", unfinished, unfinished_cells),
        ],
    });
    Ok(report)
}

fn idle(program: &Program, cores: Cores, connections: usize) -> io::Result<f64> {
    let server = Server::start(program, cores)?;
    let mut idle = Idle::open(&server, connections)?;
    idle.echo_line()?;
    idle.bytes_per_connection()
}

fn unfinished(program: &Program, cores: Cores, connections: usize) -> io::Result<f64> {
    let server = Server::start(program, cores)?;
    let mut idle = Idle::open(&server, connections)?;
    idle.begin_line(UNFINISHED_BYTES)?;
    let bytes = idle.bytes_per_connection()?;
    idle.finish_line(UNFINISHED_BYTES)?;
    Ok(bytes)
}

fn cell(value: f64) -> Cell {
    Cell {
        value,
        text: short(value),
        ratio: None,
    }
}
