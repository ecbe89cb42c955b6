//! One session on stdin and stdout.
//!
//! Each is asked whether it is ready before it is read or written, so that all timeouts hold and
//! the mode of an inherited descriptor, which other processes may share, is left alone.

use std::env;
use std::fs::File;
use std::io::{self, IsTerminal as _, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::time::{self, Duration};

use linecho_core::polled::{self, Turn};
use linecho_core::transport::Join;
use linecho_core::{Instant, Reason, Session, embedded_io};
use linecho_examples::log::{Level, Log, Value};
use linecho_examples::server_log;
use linecho_examples::signals::{Signal, Signals};
use linecho_std::Identity;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use crate::options::Arguments;

/// The bytes that a pipe takes without blocking when it is ready (POSIX `PIPE_BUF`). Sockets and
/// terminals that are ready also take some of them.
const MOST_AT_ONCE: usize = match cfg!(target_os = "linux") {
    true => 4096,
    false => 512,
};

/// Serves the peer on stdin and stdout. Returns the reason for the end.
pub(crate) fn serve(arguments: &Arguments, log: &Log) -> io::Result<Reason> {
    let options = &arguments.session;
    let input = File::from(io::stdin().as_fd().try_clone_to_owned()?);
    let output = File::from(io::stdout().as_fd().try_clone_to_owned()?);
    let mut signals = Signals::handle()?;
    let peer = peer();
    log.event(Level::Debug, "opened", &[("peer", peer.clone().into())]);

    let start = time::Instant::now();
    let now = || Instant::ZERO + start.elapsed();
    let storage = vec![0; options.max_line as usize];
    let mut session = Session::new(storage, options.config(), now());
    if let Some(name) = arguments.identity() {
        let (peer, local) = addresses(peer.clone());
        let greeting = Identity::new(&name, peer, local).to_line();
        if let Some(reason) = greet(&greeting, &output, &mut signals)? {
            session.end(reason);
        }
    }
    let mut end = None;
    let reason = loop {
        let mut transport = Join::new(Reader(&input), Writer(&output));
        let budget = session.turn_budget();
        match polled::serve(&mut session, &mut transport, now(), budget) {
            Turn::Again => {}
            Turn::Ended(reason) => break reason,
            Turn::Wait { read, write, until } => {
                let until = [until, end].into_iter().flatten().min();
                let timeout = until.map(|it| it.saturating_duration_since(now()));
                wait(
                    read.then_some(&input),
                    write.then_some(&output),
                    &signals,
                    timeout,
                )?;
            }
        }
        for signal in signals.take() {
            if matches!(signal, Signal::Status | Signal::Child) {
                continue;
            }
            if session.is_shutting_down() {
                session.end(Reason::Shutdown);
            }
            session.shutdown();
            let limit = Some(options.drain_timeout).filter(|it| !it.is_zero());
            end = end.or(limit.map(|limit| now() + limit));
        }
        if end.is_some_and(|end| now() >= end) {
            session.end(Reason::Shutdown);
        }
    };
    let seconds = start.elapsed().as_millis() as f64 / 1000.0;
    let mut details = vec![("peer", peer.into())];
    details.extend(server_log::counters(&session.counters()));
    details.push(("seconds", Value::Seconds(seconds)));
    details.push(("reason", reason.to_string().into()));
    log.event(Level::Info, "closed", &details);
    Ok(reason)
}

/// Writes the greeting. Returns the reason if the session ends meanwhile: a signal comes while the
/// peer takes nothing, or writing fails.
fn greet(greeting: &[u8], output: &File, signals: &mut Signals) -> io::Result<Option<Reason>> {
    use linecho_core::embedded_io::{Write as _, WriteReady as _};
    let mut writer = Writer(output);
    let mut left = greeting;
    while !left.is_empty() {
        if !writer.write_ready()? {
            wait(None, Some(output), signals, None)?;
            let stops = |it: Signal| !matches!(it, Signal::Status | Signal::Child);
            if signals.take().any(stops) {
                return Ok(Some(Reason::Shutdown));
            }
            continue;
        }
        match writer.write(left) {
            Ok(n) => left = &left[n..],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Ok(Some(embedded_io::ErrorKind::from(error.kind()).into())),
        }
    }
    Ok(None)
}

/// Returns the addresses of the peer and of this end, of which a super-server names the first.
fn addresses(named: String) -> (String, String) {
    let Ok(descriptor) = io::stdin().as_fd().try_clone_to_owned() else {
        return (named, "stdin".into());
    };
    // If it is no socket, its addresses cannot be had.
    let stream = TcpStream::from(descriptor);
    let text = |address: io::Result<SocketAddr>| address.ok().map(|it| it.to_string());
    let peer = text(stream.peer_addr()).unwrap_or(named);
    (
        peer,
        text(stream.local_addr()).unwrap_or_else(|| "stdin".into()),
    )
}

/// Returns `true` if stderr is the connection itself, as inetd and systemd leave it: a log there
/// would be taken for the echo.
pub(crate) fn stderr_is_the_peer() -> bool {
    let file = |descriptor: BorrowedFd<'_>| {
        let file = File::from(descriptor.try_clone_to_owned().ok()?);
        let metadata = file.metadata().ok()?;
        let kind = metadata.file_type();
        let is_stream = kind.is_socket() || kind.is_fifo() || kind.is_file();
        is_stream.then(|| (metadata.dev(), metadata.ino()))
    };
    let stderr = file(io::stderr().as_fd());
    let streams = [file(io::stdin().as_fd()), file(io::stdout().as_fd())];
    stderr.is_some() && !io::stderr().is_terminal() && streams.contains(&stderr)
}

/// Returns the peer that the super-server names.
fn peer() -> String {
    let variable = |name: &str| env::var(name).ok().filter(|text| !text.is_empty());
    // systemd and xinetd, ucspi-tcp, socat, ncat.
    for (host, port) in [
        ("REMOTE_ADDR", "REMOTE_PORT"),
        ("REMOTE_HOST", "REMOTE_PORT"),
        ("TCPREMOTEIP", "TCPREMOTEPORT"),
        ("SOCAT_PEERADDR", "SOCAT_PEERPORT"),
        ("NCAT_REMOTE_ADDR", "NCAT_REMOTE_PORT"),
    ] {
        if let Some(host) = variable(host) {
            let host = match host.contains(':') && !host.starts_with('[') {
                true => format!("[{host}]"),
                false => host,
            };
            return match variable(port) {
                Some(port) => format!("{host}:{port}"),
                None => host,
            };
        }
    }
    // The address, and both ports.
    let client = variable("SSH_CLIENT");
    let words = client.as_deref().and_then(|text| text.split_once(' '));
    match words {
        Some((host, _)) => format!("ssh from {host}"),
        None => "stdin".into(),
    }
}

fn wait(
    input: Option<&File>,
    output: Option<&File>,
    signals: &Signals,
    timeout: Option<Duration>,
) -> io::Result<()> {
    let mut sockets = vec![PollFd::new(signals, PollFlags::IN)];
    sockets.extend(input.map(|it| PollFd::new(it, PollFlags::IN)));
    sockets.extend(output.map(|it| PollFd::new(it, PollFlags::OUT)));
    // A timeout that is too large for the kernel never ends.
    let timeout = timeout.and_then(|it| Timespec::try_from(it).ok());
    match poll(&mut sockets, timeout.as_ref()) {
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Returns `true` if a call would not block.
fn is_ready(file: &File, events: PollFlags) -> io::Result<bool> {
    let mut sockets = [PollFd::new(file, events)];
    match poll(&mut sockets, Some(&Timespec::default())) {
        Ok(count) => Ok(count > 0),
        Err(Errno::INTR) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

struct Reader<'a>(&'a File);

impl embedded_io::ErrorType for Reader<'_> {
    type Error = io::Error;
}

impl embedded_io::Read for Reader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer).map_err(not_ready)
    }
}

impl embedded_io::ReadReady for Reader<'_> {
    fn read_ready(&mut self) -> io::Result<bool> {
        is_ready(self.0, PollFlags::IN)
    }
}

struct Writer<'a>(&'a File);

impl embedded_io::ErrorType for Writer<'_> {
    type Error = io::Error;
}

impl embedded_io::Write for Writer<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let some = &bytes[..bytes.len().min(MOST_AT_ONCE)];
        self.0.write(some).map_err(not_ready)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl embedded_io::WriteReady for Writer<'_> {
    fn write_ready(&mut self) -> io::Result<bool> {
        is_ready(self.0, PollFlags::OUT)
    }
}

/// Turns `WouldBlock` into a reason to wait. Another process may have made the shared descriptor
/// non-blocking, and have read or written after it was found ready.
fn not_ready(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::WouldBlock => io::ErrorKind::Interrupted.into(),
        _ => error,
    }
}
