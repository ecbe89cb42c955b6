//! From the command line to a server that runs, and to its end.

use std::error::Error;
use std::io;
#[cfg(unix)]
use std::mem;
use std::process::ExitCode;
use std::sync::Arc;

use linecho_examples::explained::Explained;
#[cfg(unix)]
use linecho_examples::explained::os_error;
#[cfg(unix)]
use linecho_examples::log::Value;
use linecho_examples::log::{Level, Log};
use linecho_examples::outlet::Outlet;
use linecho_examples::server_log;
use linecho_std::{Builder, ListenError, Listener, Report, Server, StartError};
#[cfg(unix)]
use rustix::io::Errno;

use crate::options::Arguments;
use crate::sockets;

/// Runs the program.
///
/// # Errors
///
/// When there is no thread for the log.
pub(crate) fn program(arguments: &Arguments) -> io::Result<ExitCode> {
    // Before there are threads, since it takes its variables out of the environment.
    #[cfg(unix)]
    let inherited = crate::systemd::listeners();
    #[cfg(not(unix))]
    let inherited: io::Result<Vec<Listener>> = Ok(Vec::new());
    #[cfg(unix)]
    let log = match arguments.stdio && crate::stdio::stderr_is_the_peer() {
        true => Log::nowhere()?,
        false => arguments.log.start()?,
    };
    #[cfg(not(unix))]
    let log = arguments.log.start()?;
    let result = match arguments.stdio {
        true => serve_stdio(arguments, &log),
        false => inherited
            .map_err(|error| cannot("take the sockets that systemd left", error).into())
            .and_then(|inherited| serve(arguments, inherited, &log)),
    };
    let code = result.unwrap_or_else(|error| {
        #[cfg(unix)]
        let error = with_advice(error);
        log.failure("echo-server", &*error);
        ExitCode::FAILURE
    });
    log.finish();
    Ok(code)
}

type AnyError = Box<dyn Error>;

/// Adds the way out to an error for lack of file descriptors. Whatever is opened at the start may
/// be the first that there is no room for.
#[cfg(unix)]
fn with_advice(error: AnyError) -> AnyError {
    match os_error(&*error) == Some(Errno::MFILE.raw_os_error()) {
        true => format!("{error}; allow the program more files with `ulimit -n`").into(),
        false => error,
    }
}

fn cannot(what: &str, error: io::Error) -> Explained {
    Explained::new(format!("cannot {what}: {error}"), error)
}

fn of_start(error: StartError) -> AnyError {
    let text = error.to_string();
    match error {
        StartError::Listen(ListenError { error, .. })
        | StartError::Socket(error)
        | StartError::EventLoop(error) => Explained::new(text, error).into(),
        other => other.into(),
    }
}

#[cfg(unix)]
fn serve_stdio(arguments: &Arguments, log: &Log) -> Result<ExitCode, AnyError> {
    use linecho_std::Reason;
    let reason = crate::stdio::serve(arguments, log)?;
    Ok(match reason.is_orderly() || reason == Reason::Idle {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

#[cfg(not(unix))]
fn serve_stdio(_: &Arguments, _: &Log) -> Result<ExitCode, AnyError> {
    Err("this system has no --stdio".into())
}

/// Opens the sockets, and serves until the server is stopped.
#[cfg(unix)]
fn serve(arguments: &Arguments, activated: Vec<Listener>, log: &Log) -> Result<ExitCode, AnyError> {
    use crate::admin::Admin;
    use crate::control::{self, Beside};
    use crate::sockets::Sockets;
    use crate::takeover::{self, Outcome, Waiting};

    allow_many_connections(log);
    let of_systemd = sockets::addresses(&activated)?;
    let (meeting, mut old) = match &arguments.takeover {
        Some(path) => takeover::meet(path).map_err(|error| {
            let what = format!("take over from the server at {}", path.display());
            cannot(&what, error)
        })?,
        None => Default::default(),
    };
    let handed = mem::take(&mut old.listeners);
    let Sockets { open, mut left } = sockets::open(arguments, activated, handed, log)?;

    let (signals, builder) =
        control::handle_signals(builder(arguments, log), arguments.drain_delay)
            .map_err(|error| cannot("handle signals", error))?;
    let server = builder.on(open).map_err(of_start)?;
    let handle = server.handle();
    let infos = server.listeners().iter();
    let mut own: Vec<_> = infos.map(|it| it.address().clone()).collect();
    own.retain(|it| !of_systemd.contains(it));
    let mut admin = None;
    if let Some(place) = &arguments.admin {
        let mode = arguments.unix_mode;
        let started = Admin::start(place, mode, &mut old.admin, handle.clone(), log);
        let started = started.map_err(|error| cannot("start --admin", error))?;
        own.extend(sockets::addresses(started.listeners())?);
        admin = Some(Arc::new(started));
    }
    tell_addresses(&server, log)?;
    let (beside, stop) = Beside::new(handle.clone(), log.clone(), arguments.drain_delay);
    beside.start(signals)?;

    // From here on the old server accepts no more. What waits is for this one, which runs at once.
    left.extend(sockets::addresses(&old.admin)?);
    old.release();
    sockets::close(&left, log);
    let mut outcome = Outcome::default();
    if let Some(meeting) = meeting {
        own.push(meeting.address()?);
        let waiting = Waiting {
            server: handle,
            admin: admin.clone(),
            delay: arguments.drain_delay,
            log: log.clone(),
        };
        outcome = waiting.start(meeting)?;
    }
    let report = server.run()?;
    if !outcome.is_taken_over() {
        stop.wait();
        own.iter().for_each(sockets::remove);
    }
    // It has served until here.
    drop(admin);
    Ok(conclude(&report, log))
}

#[cfg(not(unix))]
fn serve(arguments: &Arguments, _: Vec<Listener>, log: &Log) -> Result<ExitCode, AnyError> {
    let sockets = sockets::open(arguments, Vec::new(), Vec::new(), log)?;
    let server = builder(arguments, log).on(sockets.open).map_err(of_start)?;
    tell_addresses(&server, log)?;
    // Ctrl-C ends the program at once.
    let report = server.run()?;
    Ok(conclude(&report, log))
}

fn builder(arguments: &Arguments, log: &Log) -> Builder {
    let most = arguments.max_connections;
    let builder = match arguments.identity() {
        Some(name) => Server::builder().identify(&name),
        None => Server::builder(),
    };
    builder
        .session(arguments.session.config())
        .max_line(arguments.session.max_line as usize)
        .max_connections(most.map_or(usize::MAX, |it| it as usize))
        .max_per_peer(arguments.max_per_peer)
        .keep_alive(arguments.session.keep_alive)
        .workers(arguments.workers.map_or(0, usize::from))
        .spin(arguments.wait.spin)
        .drain_timeout(arguments.session.drain_timeout)
        .observer(Arc::new(log.clone()))
}

/// Prints the addresses. Whoever wanted them may have gone after the first, or may not read at all.
fn tell_addresses(server: &Server, log: &Log) -> io::Result<()> {
    let stdout = Outlet::start("stdout", usize::MAX, || Ok(io::stdout()), |_| Vec::new())?;
    for listener in server.listeners() {
        stdout.push(format!("listening {listener}\n").into());
        let mut details = vec![("address", listener.address().to_string().into())];
        if listener.name() != listener.address().to_string() {
            details.push(("listener", listener.name().into()));
        }
        log.json("listening", &details);
    }
    Ok(())
}

#[cfg(unix)]
fn allow_many_connections(log: &Log) {
    // It serves as many as it may.
    match linecho_examples::open_files::allow_many() {
        Ok(most) => log.event(
            Level::Debug,
            "limits",
            &[("open_files", Value::Number(most))],
        ),
        Err(error) => {
            let text = format!("cannot raise the limit of open files: {error}");
            log.event(Level::Debug, &text, &[]);
        }
    }
}

fn conclude(report: &Report, log: &Log) -> ExitCode {
    let Report {
        totals,
        unfinished,
        hurried,
        ..
    } = report;
    if unfinished.connections > 0 {
        let details = [
            ("connections", unfinished.connections.into()),
            ("bytes_held", unfinished.bytes.into()),
        ];
        log.event(Level::Warning, "cut what was not done in time", &details);
    }
    log.event(Level::Info, "stopped", &server_log::totals(totals));
    match unfinished.connections == 0 && !hurried {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}
