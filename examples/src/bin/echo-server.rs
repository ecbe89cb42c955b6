//! Echoes every line that it gets, to thousands of TCP connections at once.

use std::error::Error;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use clap::Parser;
use linecho_examples::address::Address;
use linecho_examples::command_line;
use linecho_examples::listeners;
use linecho_examples::log::{Level, Log, Value};
use linecho_examples::options::{LogOptions, SessionOptions};
use linecho_examples::outlet::Outlet;
use linecho_examples::server_log;
use linecho_std::{Handle, Report, Server};

/// Echoes every line that it gets, to thousands of TCP connections at once.
///
/// Prints `listening ADDRESS` for each address that it listens on, and logs to stderr. Health checks
/// (connections that send nothing, or are reset when all has gone back) are logged with -v only.
#[derive(Parser)]
#[command(
    name = "echo-server",
    version,
    after_help = AFTER_HELP
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

const AFTER_HELP: &str = "\
Signals:
  INT (Ctrl-C), TERM   finish what was taken in, and end; a second one ends at once
  HUP                  the same, unless it was ignored at the start, as by nohup
  USR1                 log a status line: connections, lines and bytes so far
  USR2                 ignored

Exit codes: 0 it was stopped, and nothing was cut; 1 it failed, or something was cut, or a second signal
ended it; 2 wrong usage.";

fn main() -> ExitCode {
    let arguments: Arguments = command_line::parse();
    let log = match arguments.log.start() {
        Ok(log) => log,
        Err(error) => {
            // Not `eprintln!`, which panics when stderr is closed.
            let _ = writeln!(io::stderr(), "echo-server: cannot start the log: {error}");
            return ExitCode::FAILURE;
        }
    };
    let code = run(&arguments, &log).unwrap_or_else(|error| {
        log.failure("echo-server", &*error);
        ExitCode::FAILURE
    });
    log.finish();
    code
}

fn run(arguments: &Arguments, log: &Log) -> Result<ExitCode, Box<dyn Error>> {
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
        .observer(Arc::new(log.clone()))
        .on(sockets)?;

    let is_stopped = Arc::default();
    obey_signals(server.handle(), log.clone(), Arc::clone(&is_stopped))
        .map_err(|error| format!("cannot handle signals: {error}"))?;
    tell_addresses(server.addresses(), log)?;

    let report = server.run()?;
    log_report(log, &report);
    let is_whole = report.unfinished.connections == 0 && !is_stopped.load(Relaxed);
    Ok(match is_whole {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

/// Prints the addresses. Whoever wanted them may have gone after the first, or may not read at all.
fn tell_addresses(addresses: &[SocketAddr], log: &Log) -> io::Result<()> {
    let stdout = Outlet::start("stdout", usize::MAX, || Ok(io::stdout()), |_| Vec::new())?;
    for address in addresses {
        stdout.push(format!("listening {address}\n").into());
        log.json("listening", &[("address", address.to_string().into())]);
    }
    Ok(())
}

/// A connection is a file descriptor, and shells allow a program 1,024 of them unless it asks for more.
#[cfg(unix)]
fn allow_many_connections(log: &Log) {
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
        Ok(most) => {
            // FreeBSD's limits are signed.
            let most = Value::Number(most as _);
            log.event(Level::Debug, "limits", &[("open_files", most)]);
        }
        Err(error) => {
            let text = format!("cannot raise the limit of open files: {error}");
            log.event(Level::Debug, &text, &[]);
        }
    }
}

#[cfg(not(unix))]
fn allow_many_connections(_: &Log) {}

/// Starts the thread that obeys signals. The second one that asks for the end sets `is_stopped`.
#[cfg(unix)]
fn obey_signals(server: Handle, log: Log, is_stopped: Arc<AtomicBool>) -> io::Result<()> {
    use linecho_examples::signals::{Signal, Signals};
    let mut signals = Signals::handle()?;
    let mut is_asked = false;
    let mut obey = move |signal| match signal {
        Signal::Interrupt | Signal::Terminate | Signal::Hangup => {
            is_stopped.fetch_or(is_asked, Relaxed);
            is_asked = true;
            let open = server.connections();
            server.shutdown();
            log.event(
                Level::Info,
                "shutting down",
                &[("connections", open.into())],
            );
        }
        Signal::Status => {
            let mut details = vec![("open", server.connections().into())];
            details.extend(server_log::totals(&server.totals()));
            log.answer("status", &details);
        }
        Signal::Child => {}
    };
    std::thread::Builder::new()
        .name("signals".into())
        .spawn(move || {
            loop {
                signals.wait().for_each(&mut obey);
            }
        })?;
    Ok(())
}

/// Elsewhere Ctrl-C ends the program at once.
#[cfg(not(unix))]
fn obey_signals(_: Handle, _: Log, _: Arc<AtomicBool>) -> io::Result<()> {
    Ok(())
}

fn log_report(log: &Log, report: &Report) {
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
    log.event(Level::Info, "stopped", &server_log::totals(totals));
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
