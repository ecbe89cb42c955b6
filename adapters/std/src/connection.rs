//! One connection: what a worker keeps of it, and its turn.

use std::io;
use std::net::{Shutdown, SocketAddr};
use std::time::Duration;

use embedded_io::{Read as _, ReadReady as _};
use linecho_core::polled::{self, Turn};
use linecho_core::{Config, Counters, Instant, Reason, Session};
use mio::event::Event;
use mio::net::TcpStream;
use mio::{Registry, Token};
use socket2::SockRef;

use crate::observer::{Closed, Observed, Observer};
use crate::peer::Peer;
use crate::pool::{Pool, Storage};
use crate::socket::{Ready, Socket, interest};

/// What a worker keeps of a connection.
pub(crate) struct Connection {
    stage: Stage,
    stream: TcpStream,
    peer: Peer,
    ready: Ready,
    /// Whether it waits in the worker's queue for its turn.
    pub(crate) queued: bool,
}

enum Stage {
    Serving {
        session: Session<Storage>,
        opened: Instant,
    },
    /// All has been written and our side is shut down. What the peer still sends is read and dropped:
    /// to close a socket with unread input resets the connection, and a reset may destroy what was
    /// echoed before the peer has read it (RFC 1122, 4.2.2.13).
    Lingering { until: Instant, bytes_left: u32 },
}

// What an idle connection costs. mio keeps more in debug builds and on other systems.
#[cfg(all(
    target_os = "linux",
    target_pointer_width = "64",
    not(debug_assertions)
))]
const _: () = assert!(size_of::<Connection>() <= 112);

/// What one connection may read in a turn, so that it does not hold up the others: two of the default
/// buffers, since less would cost more calls in bulk, and of small buffers not too many, since each takes
/// two calls.
const BYTES_PER_TURN: usize = 128 * 1024;
const BUFFERS_PER_TURN: usize = 16;

/// How long to wait for the peer to close its side after ours was shut down, and how many bytes to drop.
const LINGER: Duration = Duration::from_secs(2);
const LINGER_BYTES: u32 = 64 << 20;
/// How many of them in a turn.
const LINGER_BYTES_PER_TURN: usize = 16 << 10;

/// What comes after a turn.
pub(crate) enum Next {
    /// Another turn, after the others had theirs.
    Again,
    /// A turn when the socket is ready, or at this deadline.
    Wait(Option<Instant>),
    /// The session has ended, see [`Connection::end`].
    End(Reason),
    /// There is nothing more to do: drop the connection.
    Close,
}

impl Connection {
    pub(crate) fn new(stream: TcpStream, peer: SocketAddr, config: Config, now: Instant) -> Self {
        Self {
            stage: Stage::Serving {
                session: Session::new(Storage::default(), config, now),
                opened: now,
            },
            stream,
            peer: peer.into(),
            ready: Ready::NEW,
            queued: false,
        }
    }

    pub(crate) fn peer(&self) -> SocketAddr {
        self.peer.into()
    }

    /// Has events told under this token.
    pub(crate) fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        registry.register(&mut self.stream, token, interest())
    }

    pub(crate) fn note(&mut self, event: &Event) {
        self.ready.note(event);
    }

    /// Gives it a turn. `content` is told what goes back.
    #[inline]
    pub(crate) fn turn(
        &mut self,
        pool: &mut Pool,
        content: Option<&dyn Observer>,
        now: Instant,
    ) -> Next {
        let mut socket = Socket {
            stream: &self.stream,
            ready: &mut self.ready,
        };
        let session = match &mut self.stage {
            Stage::Serving { session, .. } => session,
            Stage::Lingering { until, bytes_left } => {
                return linger(&mut socket, *until, bytes_left, now);
            }
        };
        // A session that holds nothing has no buffer but during its turn.
        if session.capacity() == 0 {
            match pool.take() {
                Ok(storage) => exchange(session, storage, pool),
                Err(error) => session.end(Reason::Reset(error.kind().into())),
            }
        }
        let budget = BYTES_PER_TURN.min(session.capacity().saturating_mul(BUFFERS_PER_TURN));
        let turn = match content {
            None => polled::serve(session, &mut socket, now, budget),
            Some(observer) => {
                let mut observed = Observed {
                    io: socket,
                    peer: self.peer.into(),
                    observer,
                };
                polled::serve(session, &mut observed, now, budget)
            }
        };
        if session.held() == 0 {
            exchange(session, Storage::default(), pool);
        }
        match turn {
            Turn::Again => Next::Again,
            Turn::Wait { until, .. } => Next::Wait(until),
            Turn::Ended(reason) => Next::End(reason),
        }
    }

    /// Asks the session to finish with what has arrived.
    pub(crate) fn shut_down(&mut self) {
        if let Stage::Serving { session, .. } = &mut self.stage {
            session.shutdown();
            self.ready.suppose_input();
        }
    }

    /// Has the session take in nothing more, and send what it holds.
    pub(crate) fn end_input(&mut self) {
        if let Stage::Serving { session, .. } = &mut self.stage {
            session.end_of_input();
        }
    }

    /// Ends the session now. How many bytes are lost with it; `None` if it had ended before.
    pub(crate) fn cut(&mut self) -> Option<usize> {
        let Stage::Serving { session, .. } = &mut self.stage else {
            return None;
        };
        let held = session.held();
        session.end(Reason::Shutdown);
        // The peer is to notice that something is missing.
        if held > 0 {
            reset(&self.stream);
        }
        Some(held)
    }

    /// What a session that has ended for this reason did.
    pub(crate) fn closed(&self, reason: Reason, now: Instant) -> Closed {
        let (counters, opened) = match &self.stage {
            Stage::Serving { session, opened } => (session.counters(), *opened),
            Stage::Lingering { .. } => (Counters::default(), now),
        };
        Closed {
            reason,
            counters,
            duration: now.saturating_duration_since(opened),
        }
    }

    /// Closes the connection of a session that has ended, as the reason wants it.
    pub(crate) fn end(&mut self, reason: Reason, now: Instant) -> Next {
        match reason {
            // The peer has closed its side and all of it was read: closing ours cannot reset.
            Reason::PeerClosed => Next::Close,
            Reason::LineTooLong | Reason::Shutdown => {
                if self.stream.shutdown(Shutdown::Write).is_err() {
                    return Next::Close;
                }
                self.ready.suppose_input();
                self.stage = Stage::Lingering {
                    until: now + LINGER,
                    bytes_left: LINGER_BYTES,
                };
                Next::Again
            }
            // What the peer did not take is lost, and it is to notice; and the kernel is not to keep
            // the rest for a peer that takes nothing.
            Reason::WriteStalled => {
                reset(&self.stream);
                Next::Close
            }
            Reason::Idle | Reason::Reset(_) => Next::Close,
        }
    }
}

/// Exchanges the storage of a session that holds nothing, and puts the other one back.
#[inline]
fn exchange(session: &mut Session<Storage>, storage: Storage, pool: &mut Pool) {
    let (Ok(storage) | Err(storage)) = session.replace_storage(storage);
    pool.put(storage);
}

/// Reads and drops what the peer still sends, until it closes its side or a bound is reached.
fn linger(socket: &mut Socket, until: Instant, bytes_left: &mut u32, now: Instant) -> Next {
    if now >= until {
        return Next::Close;
    }
    let mut dropped = [0; LINGER_BYTES_PER_TURN];
    loop {
        if !socket.read_ready().unwrap_or(true) {
            return Next::Wait(Some(until));
        }
        match socket.read(&mut dropped) {
            Ok(0) => return Next::Close,
            Ok(n) if n < *bytes_left as usize => {
                *bytes_left -= u32::try_from(n).unwrap_or(u32::MAX);
                return Next::Again;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Ok(_) | Err(_) => return Next::Close,
        }
    }
}

/// Has the kernel reset the connection when it is closed, and drop what it has yet to send.
fn reset(stream: &TcpStream) {
    // Failing means that there is no connection any more.
    let _ = SockRef::from(stream).set_linger(Some(Duration::ZERO));
}
