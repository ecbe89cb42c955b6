//! From the command line to a server that runs, and to its end.

use std::error::Error;
use std::io;
use std::process::ExitCode;
use std::sync::Arc;

use linecho_examples::listeners;
#[cfg(unix)]
use linecho_examples::log::Value;
use linecho_examples::log::{Level, Log};
use linecho_examples::outlet::Outlet;
use linecho_examples::server_log;
#[cfg(unix)]
use linecho_std::Endpoint;
use linecho_std::{Builder, Listener, Report, Server};

use crate::options::Arguments;

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
            .map_err(|error| format!("cannot take the sockets that systemd left: {error}").into())
            .and_then(|inherited| serve(arguments, inherited, &log)),
    };
    let code = result.unwrap_or_else(|error| {
        log.failure("echo-server", &*error);
        ExitCode::FAILURE
    });
    log.finish();
    Ok(code)
}

type AnyError = Box<dyn Error>;

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
fn serve(arguments: &Arguments, inherited: Vec<Listener>, log: &Log) -> Result<ExitCode, AnyError> {
    use std::sync::atomic::Ordering::SeqCst;

    use linecho_examples::listen_address::Place;

    use crate::admin::Admin;
    use crate::control::{self, Beside};
    use crate::takeover::{self, Waiting};

    allow_many_connections(log);
    let mut sockets = inherited;
    let kept = sockets.len();
    let mut predecessor = None;
    if let Some(path) = &arguments.takeover {
        let received = takeover::receive(path).map_err(|error| {
            format!(
                "cannot take over from the server at {}: {error}",
                path.display()
            )
        })?;
        if let Some((server, listeners)) = received {
            sockets.extend(listeners);
            predecessor = Some(server);
        }
    }
    open_missing(arguments, &mut sockets, log)?;

    let (signals, builder) =
        control::handle_signals(builder(arguments, log), arguments.drain_delay)
            .map_err(|error| format!("cannot handle signals: {error}"))?;
    let server = builder.on(sockets)?;
    let handle = server.handle();
    let mut own_paths: Vec<_> = server.listeners()[kept..]
        .iter()
        .map(|it| it.address().clone())
        .collect();
    if let Some(place) = &arguments.admin {
        let admin = Admin::new(
            place.clone(),
            arguments.unix_mode,
            handle.clone(),
            log.clone(),
        );
        match predecessor {
            None => admin
                .start()
                .map_err(|error| format!("cannot start --admin: {error}"))?,
            // It has the address until it ends.
            Some(_) => admin.start_later()?,
        }
        if let Place::Unix(path) = place {
            own_paths.push(Endpoint::Unix(Some(path.clone())));
        }
    }
    tell_addresses(&server, log)?;
    let (beside, stop) = Beside::new(handle.clone(), log.clone(), arguments.drain_delay);
    beside.start(signals)?;
    let mut is_taken_over = Arc::default();
    if let Some(path) = &arguments.takeover {
        // From here on the old server accepts no more. What waits is for this one, which runs at
        // once.
        if let Some(old) = predecessor {
            old.release()?;
        }
        let listeners = server.duplicate_listeners()?;
        let waiting = Waiting::at(path).map_err(|error| {
            format!("cannot wait for a successor at {}: {error}", path.display())
        })?;
        is_taken_over = waiting.start(listeners, handle, arguments.drain_delay, log.clone())?;
        own_paths.push(Endpoint::Unix(Some(path.clone())));
    }

    let report = server.run()?;
    if !is_taken_over.load(SeqCst) {
        stop.wait();
        remove(&own_paths);
    }
    Ok(conclude(&report, log))
}

#[cfg(not(unix))]
fn serve(arguments: &Arguments, inherited: Vec<Listener>, log: &Log) -> Result<ExitCode, AnyError> {
    let mut sockets = inherited;
    open_missing(arguments, &mut sockets, log)?;
    let server = builder(arguments, log).on(sockets)?;
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
        .drain_timeout(arguments.session.drain_timeout)
        .observer(Arc::new(log.clone()))
}

/// Listens on the addresses of the command line that are not there yet.
fn open_missing(
    arguments: &Arguments,
    sockets: &mut Vec<Listener>,
    log: &Log,
) -> Result<(), AnyError> {
    let mut there = Vec::new();
    for socket in &*sockets {
        there.push(socket.address()?);
    }
    for (address, with_header) in arguments.addresses(!sockets.is_empty()) {
        if listeners::are_there(&address, &there) {
            continue;
        }
        let found = listeners::listen(&address, arguments.unix_mode)?;
        for missing in found.missing {
            log.event(Level::Warning, &missing.to_string(), &[]);
        }
        sockets.extend(found.sockets.into_iter().map(|socket| match with_header {
            true => socket.require_proxy_header(),
            false => socket,
        }));
    }
    Ok(())
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

/// A connection is a file descriptor, and shells allow a program 1,024 of them unless it asks for
/// more.
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

/// Removes the files of UNIX sockets. One that is not there any more needs no removal.
#[cfg(unix)]
fn remove(endpoints: &[Endpoint]) {
    for endpoint in endpoints {
        if let Endpoint::Unix(Some(path)) = endpoint {
            let _ = std::fs::remove_file(path);
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
