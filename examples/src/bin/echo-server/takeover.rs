//! The hand-over of the listening sockets from a server to the next one on this machine.
//!
//! Both meet at a UNIX socket. The old server sends its listening sockets; the new one answers with
//! a byte when it serves; then the old one accepts no more, and begins its stop. No connection is
//! refused or reset meanwhile, since both share the sockets, and what waits there is for either.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread;
use std::time::Duration;

use linecho_examples::log::{Level, Log};
use linecho_std::{Handle, Listener, listen_unix, receive_listeners, send_listeners};

/// The time that each side has for its part, in which it may read its configuration.
const PATIENCE: Duration = Duration::from_secs(30);

/// The least time that the old server serves on, so that a peer that has just connected gets the
/// echo of its first line.
const LEAST_DELAY: Duration = Duration::from_secs(1);

/// The server that is taken over from.
pub(crate) struct Predecessor {
    stream: UnixStream,
}

/// Receives the listening sockets of the server that waits at this path, if there is one.
pub(crate) fn receive(path: &Path) -> io::Result<Option<(Predecessor, Vec<Listener>)>> {
    let stream = match UnixStream::connect(path) {
        Ok(stream) => stream,
        Err(error)
            if [ErrorKind::NotFound, ErrorKind::ConnectionRefused].contains(&error.kind()) =>
        {
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    stream.set_read_timeout(Some(PATIENCE))?;
    let listeners = receive_listeners(&stream)?;
    Ok(Some((Predecessor { stream }, listeners)))
}

impl Predecessor {
    /// Tells it that the new server serves, and waits until it no longer needs the path.
    pub(crate) fn release(mut self) -> io::Result<()> {
        self.stream.write_all(&[1])?;
        // It closes the stream then.
        self.stream
            .read_exact(&mut [0])
            .or_else(|error| match error.kind() {
                ErrorKind::UnexpectedEof => Ok(()),
                _ => Err(error),
            })
    }
}

/// A server that waits for its successor.
pub(crate) struct Waiting {
    listener: UnixListener,
    path: PathBuf,
    is_taken_over: Arc<AtomicBool>,
}

impl Waiting {
    /// Listens at this path, which only the same user may connect to.
    pub(crate) fn at(path: &Path) -> io::Result<Self> {
        let listener = listen_unix(path, Some(0o600)).map_err(|error| error.error)?;
        Ok(Self {
            listener,
            path: path.into(),
            is_taken_over: Arc::default(),
        })
    }

    /// Starts the thread that waits. What it returns becomes `true` when the server is taken over:
    /// its paths are the successor's then.
    pub(crate) fn start(
        self,
        listeners: Vec<Listener>,
        server: Handle,
        delay: Duration,
        log: Log,
    ) -> io::Result<Arc<AtomicBool>> {
        let is_taken_over = self.is_taken_over.clone();
        let wait = move || {
            while let Ok((stream, _)) = self.listener.accept() {
                match send(&stream, &listeners) {
                    Ok(()) => {
                        self.is_taken_over.store(true, SeqCst);
                        let delay = delay.max(LEAST_DELAY);
                        server.hand_over(delay);
                        let after = humantime::format_duration(delay).to_string();
                        let details = [
                            ("path", self.path.display().to_string().into()),
                            ("shutting_down_after", after.into()),
                        ];
                        log.event(Level::Info, "taken over", &details);
                        // The successor listens there now.
                        drop(self.listener);
                        return drop(stream);
                    }
                    Err(error) => {
                        let text = format!("cannot hand over: {error}; serving on");
                        log.event(Level::Warning, &text, &[]);
                    }
                }
            }
        };
        thread::Builder::new().name("takeover".into()).spawn(wait)?;
        Ok(is_taken_over)
    }
}

/// Sends the listeners, and waits until the successor serves.
fn send(mut stream: &UnixStream, listeners: &[Listener]) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    send_listeners(stream, listeners)?;
    stream.read_exact(&mut [0])
}
