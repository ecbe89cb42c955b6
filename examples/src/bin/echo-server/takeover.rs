//! The hand-over of the listening sockets from a server to the next one on this machine.
//!
//! Both meet at a UNIX socket. The old server sends its listening sockets, those of the echo first,
//! then the one of the meeting and those of `--admin`; the new one answers with a byte when it is
//! about to serve; then the old one accepts no more, and begins its stop. No connection is refused
//! or reset meanwhile, since both share the sockets, and what waits there is for either. If the new
//! one ends before its byte, nothing has happened.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use linecho_examples::explained::Explained;
use linecho_examples::log::{Level, Log};
use linecho_std::{Endpoint, Handle, Listener, listen_unix, receive_listeners, send_listeners};

use crate::admin::Admin;

/// The time that a successor has from the hand-over to its answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// The time to wait for the sockets: the server may be busy with another successor before.
const WAIT: Duration = Duration::from_secs(60);
/// The attempts to find a server at a path while one after the other ends there.
const ATTEMPTS: usize = 5;
/// The pause after an accept that failed, for example for lack of descriptors.
const PAUSE: Duration = Duration::from_millis(200);

/// The least time that the old server serves on, so that a peer that has just connected gets the
/// echo of its first line.
const LEAST_DELAY: Duration = Duration::from_secs(1);

/// The server that is taken over from, if there is one.
#[derive(Default)]
pub(crate) struct Predecessor {
    stream: Option<UnixStream>,
    /// The sockets of the echo. None if it is about to end.
    pub(crate) listeners: Vec<Listener>,
    /// Those of its `--admin`.
    pub(crate) admin: Vec<Listener>,
}

/// The place where a server waits for its successor.
pub(crate) struct Meeting(Listener);

impl Meeting {
    pub(crate) fn address(&self) -> io::Result<Endpoint> {
        self.0.address()
    }
}

/// Takes its place at this path, and the sockets of the server that waits there, if there is one.
pub(crate) fn meet(path: &Path) -> io::Result<(Option<Meeting>, Predecessor)> {
    for _ in 0..ATTEMPTS {
        match UnixStream::connect(path).and_then(receive) {
            Ok((meeting, predecessor)) => return Ok((Some(meeting), predecessor)),
            Err(error) => match error.kind() {
                // Nobody waits there.
                ErrorKind::NotFound | ErrorKind::ConnectionRefused => break,
                // It has ended just now.
                ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset => {}
                ErrorKind::WouldBlock => {
                    let text = format!("the server there has sent nothing for {WAIT:?}");
                    return Err(io::Error::new(ErrorKind::TimedOut, text));
                }
                _ => return Err(error),
            },
        }
    }
    // Only the same user may connect.
    let socket = listen_unix(path, Some(0o600)).map_err(|error| {
        let advice = match error.error.kind() {
            ErrorKind::AddrInUse => {
                "; the file is no socket, or another program's: choose another path"
            }
            ErrorKind::NotFound => "; its directory must exist",
            _ => "",
        };
        Explained::new(format!("{error}{advice}"), error.error)
    })?;
    Ok((Some(Meeting(socket.into())), Predecessor::default()))
}

fn receive(stream: UnixStream) -> io::Result<(Meeting, Predecessor)> {
    stream.set_read_timeout(Some(WAIT))?;
    let listeners = receive_listeners(&stream)?;
    let mut beside = receive_listeners(&stream)?.into_iter();
    let meeting = beside.next().ok_or(ErrorKind::InvalidData)?;
    let admin = beside.collect();
    let predecessor = Predecessor {
        stream: Some(stream),
        listeners,
        admin,
    };
    Ok((Meeting(meeting), predecessor))
}

impl Predecessor {
    /// Tells it that it is to accept no more.
    pub(crate) fn release(self) {
        if let Some(mut stream) = self.stream {
            // If it has ended meanwhile, all the better.
            let _ = stream.write_all(&[1]);
        }
    }
}

/// A server that waits for its successor.
pub(crate) struct Waiting {
    pub(crate) server: Handle,
    pub(crate) admin: Option<Arc<Admin>>,
    pub(crate) delay: Duration,
    pub(crate) log: Log,
}

/// The outcome of the wait. Once a server is taken over, its paths are its successor's.
#[derive(Clone, Default)]
pub(crate) struct Outcome(Arc<Mutex<bool>>);

impl Outcome {
    /// Returns `true` if the server is taken over. Waits for the end of a hand-over that goes on.
    pub(crate) fn is_taken_over(&self) -> bool {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    /// Starts the thread that waits.
    pub(crate) fn start(self, meeting: Meeting) -> io::Result<Outcome> {
        let outcome = Outcome::default();
        let is_taken_over = outcome.clone();
        let wait = move || self.wait(&UnixListener::from(OwnedFd::from(meeting.0)), &outcome);
        thread::Builder::new().name("takeover".into()).spawn(wait)?;
        Ok(is_taken_over)
    }

    fn wait(self, socket: &UnixListener, outcome: &Outcome) {
        loop {
            let Ok((stream, _)) = socket.accept() else {
                thread::sleep(PAUSE);
                continue;
            };
            let mut taken_over = outcome.0.lock().unwrap_or_else(PoisonError::into_inner);
            match self.hand_over(&stream, socket) {
                Ok(()) => {
                    *taken_over = true;
                    break;
                }
                Err(error) => {
                    let why = match error.kind() {
                        ErrorKind::UnexpectedEof
                        | ErrorKind::BrokenPipe
                        | ErrorKind::ConnectionReset => {
                            "the successor ended before it served".into()
                        }
                        ErrorKind::WouldBlock => {
                            format!("the successor did not serve within {PATIENCE:?}")
                        }
                        _ => error.to_string(),
                    };
                    let text = format!("cannot hand over: {why}; serving on");
                    self.log.event(Level::Warning, &text, &[]);
                }
            }
        }
        if let Some(admin) = &self.admin {
            admin.hand_over();
        }
        let delay = self.delay.max(LEAST_DELAY);
        self.server.hand_over(delay);
        let path = UnixListener::local_addr(socket).map(|it| Endpoint::from(&it));
        let after = humantime::format_duration(delay).to_string();
        let mut details = vec![("shutting_down_after", after.into())];
        details.extend(path.map(|path| ("path", path.to_string().into())));
        self.log.event(Level::Info, "taken over", &details);
    }

    /// Sends the sockets, and waits until the successor is about to serve.
    fn hand_over(&self, mut stream: &UnixStream, socket: &UnixListener) -> io::Result<()> {
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        send_listeners(stream, &self.server.duplicate_listeners()?)?;
        let mut beside = vec![Listener::from(socket.try_clone()?)];
        if let Some(admin) = &self.admin {
            beside.extend(admin.duplicate_listeners()?);
        }
        send_listeners(stream, &beside)?;
        stream.read_exact(&mut [0])
    }
}
