//! Echoes every line that it gets, to thousands of TCP connections at once.

use std::error::Error;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use linecho_examples::address::Address;
use linecho_examples::command_line;
use linecho_examples::listeners;
use linecho_examples::log::{Level, Log};
use linecho_examples::options::{LogOptions, SessionOptions};
use linecho_std::{Handle, Report, Server};

/// Echoes every line that it gets, to thousands of TCP connections at once.
///
/// Prints `listening ADDRESS` for each address that it listens on, and logs to stderr. SIGINT (Ctrl-C) and
/// SIGTERM let it finish what it has taken in; a second one stops it at once.
#[derive(Parser)]
#[command(
    name = "echo-server",
    version,
    after_help = "Exit codes: 0 it was stopped, 1 it failed, 2 wrong usage."
)]
struct Arguments {
    // Not a doc comment: rustdoc would look for a link in the brackets.
    #[arg(
        long,
        value_name = "ADDR",
        help = "Where to listen: PORT (on localhost), :PORT (on all interfaces), HOST:PORT or [V6]:PORT; \
                port 0 is any free one. May be given several times, or with commas between",
        env = "LINECHO_LISTEN",
        value_delimiter = ',',
        default_value = "localhost:18080"
    )]
    listen: Vec<Address>,

    #[command(flatten)]
    session: SessionOptions,

    /// How many connections may be open; more have to wait [default: no limit]
    #[arg(long, value_name = "NUMBER", env = "LINECHO_MAX_CONNECTIONS")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    max_connections: Option<u32>,

    /// How many threads serve connections [default: one per core]
    #[arg(long, value_name = "NUMBER", env = "LINECHO_WORKERS")]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=1024))]
    workers: Option<u16>,

    #[command(flatten)]
    log: LogOptions,
}

fn main() -> ExitCode {
    match run(&command_line::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Not `eprintln!`, which panics when stderr is closed.
            let _ = writeln!(io::stderr(), "echo-server: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let log = arguments.log.log();
    allow_many_connections(log);

    let mut sockets = Vec::new();
    for address in &arguments.listen {
        let found = listeners::listen(address)?;
        for missing in found.missing {
            log.event(Level::Warning, &missing.to_string(), &[]);
        }
        sockets.extend(found.sockets);
    }
    let server = Server::builder()
        .session(arguments.session.config())
        .max_line(arguments.session.max_line as usize)
        .max_connections(
            arguments
                .max_connections
                .map_or(usize::MAX, |it| it as usize),
        )
        .workers(arguments.workers.map_or(0, usize::from))
        .drain_timeout(arguments.session.drain_timeout)
        .observer(Arc::new(log))
        .on(sockets)?;

    shut_down_on_signals(server.handle(), log)
        .map_err(|error| format!("cannot handle signals: {error}"))?;
    print_addresses(server.addresses())
        .map_err(|error| format!("cannot write the addresses to standard output: {error}"))?;

    let report = server.run()?;
    log_report(log, &report);
    Ok(())
}

fn print_addresses(addresses: &[SocketAddr]) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    for address in addresses {
        writeln!(stdout, "listening {address}")?;
    }
    stdout.flush()
}

/// A connection is a file descriptor, and shells allow a program 1,024 of them unless it asks for more.
#[cfg(unix)]
fn allow_many_connections(log: Log) {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    let raised = getrlimit(Resource::RLIMIT_NOFILE).and_then(|(_, most)| {
        // macOS names no limit and refuses more than OPEN_MAX.
        let most = if cfg!(target_os = "macos") {
            most.min(10_240)
        } else {
            most
        };
        setrlimit(Resource::RLIMIT_NOFILE, most, most)?;
        Ok(most)
    });
    // It serves as many as it may.
    match raised {
        Ok(most) => log.event(Level::Detail, "limits", &[("open_files", most.into())]),
        Err(error) => {
            let text = format!("cannot raise the limit of open files: {error}");
            log.event(Level::Detail, &text, &[]);
        }
    }
}

#[cfg(not(unix))]
fn allow_many_connections(_: Log) {}

#[cfg(unix)]
fn shut_down_on_signals(server: Handle, log: Log) -> io::Result<()> {
    use signal_hook::consts::{SIGINT, SIGTERM};
    let mut signals = signal_hook::iterator::Signals::new([SIGINT, SIGTERM])?;
    let listen = move || {
        for _ in signals.forever() {
            let open = server.connections();
            log.event(
                Level::Info,
                "shutting down",
                &[("connections", open.into())],
            );
            server.shutdown();
        }
    };
    std::thread::Builder::new()
        .name("signals".into())
        .spawn(listen)?;
    Ok(())
}

/// Elsewhere Ctrl-C ends the program at once.
#[cfg(not(unix))]
fn shut_down_on_signals(_: Handle, _: Log) -> io::Result<()> {
    Ok(())
}

fn log_report(log: Log, report: &Report) {
    let Report {
        totals, unfinished, ..
    } = report;
    if unfinished.connections > 0 {
        let details = [
            ("connections", unfinished.connections.into()),
            ("bytes_held", unfinished.bytes.into()),
        ];
        log.event(Level::Warning, "cut what was not done in time", &details);
    }
    let details = [
        ("connections", totals.opened.into()),
        ("lines", totals.counters.lines.into()),
        ("bytes_in", totals.counters.bytes_in.into()),
        ("bytes_out", totals.counters.bytes_out.into()),
    ];
    log.event(Level::Info, "stopped", &details);
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn without_arguments_it_listens_on_localhost() {
        Arguments::command().debug_assert();
        let arguments = Arguments::parse_from(["echo-server"]);
        let addresses: Vec<_> = arguments.listen.iter().map(ToString::to_string).collect();
        assert_eq!(addresses, ["localhost:18080"]);
    }
}
