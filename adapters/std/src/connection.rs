//! One connection of a worker, and its turn.

use std::io;
use std::mem;
use std::net::Shutdown;
use std::time::Duration;

use linecho_core::polled::{self, Turn};
use linecho_core::{Config, Instant, Reason, Session};
use mio::event::Event;
use mio::net::TcpStream;
use mio::{Registry, Token};
use socket2::SockRef;

use crate::acceptor::Accepted;
use crate::connection_info::ConnectionInfo;
use crate::greeting::{Greeted, Greeting};
use crate::header_wait::{HeaderWait, Look};
use crate::linger::Linger;
use crate::next::Next;
use crate::observer::{Observed, Refusal, SessionEnd};
use crate::peer::Peer;
use crate::pool::{Pool, Storage};
use crate::proxy_header::ProxyHeader;
use crate::recorder::Recorder;
use crate::socket::{Ready, Socket, interest};

/// A connection: its socket, and its session or the wait after it.
pub(crate) struct Connection {
    stage: Stage,
    stream: TcpStream,
    opened: Opened,
    peer: Peer,
    /// The index of its listener.
    listener: u16,
    ready: Ready,
    /// It is in the worker's queue.
    pub(crate) queued: bool,
}

enum Stage {
    /// The session has not begun: its listener wants a PROXY header.
    Header(HeaderWait),
    /// The greeting goes first: the server identifies itself.
    Greeting(Box<Greeting>),
    Serving(Session<Storage>),
    /// Everything has been written and our side is shut down. Input is read and dropped: closing a
    /// socket with unread input resets the connection, and the reset may destroy echo that the peer
    /// has not read yet (RFC 1122, 4.2.2.13).
    Lingering(Linger),
}

// What an idle connection costs. mio keeps more in debug builds and on other systems.
#[cfg(all(
    target_os = "linux",
    target_pointer_width = "64",
    not(debug_assertions)
))]
const _: () = assert!(size_of::<Connection>() <= 112);

impl Connection {
    pub(crate) fn new(accepted: Accepted, config: Config, now: Instant) -> Self {
        let Accepted {
            stream,
            peer,
            listener,
        } = accepted;
        Self {
            stage: Stage::Header(HeaderWait::new(config, now)),
            stream,
            opened: now.into(),
            peer,
            listener,
            ready: Ready::NEW,
            queued: false,
        }
    }

    /// Begins the session, after this PROXY header if there was one. Returns `false` if the
    /// connection is refused and to be dropped.
    pub(crate) fn begin(
        &mut self,
        header: Option<&ProxyHeader>,
        recorder: &Recorder,
        now: Instant,
    ) -> bool {
        let Stage::Header(wait) = &self.stage else {
            return true;
        };
        if let Err(refusal) = recorder.admit(self.peer) {
            self.refuse(&refusal, recorder);
            return false;
        }
        let mut session = Session::new(Storage::default(), wait.config, now);
        if wait.shutting_down {
            session.shutdown();
        }
        self.stage = match recorder.greeting(&self.info(recorder), header) {
            Some(bytes) => Stage::Greeting(Box::new(Greeting::new(session, bytes, now))),
            None => Stage::Serving(session),
        };
        recorder.opened(&self.info(recorder));
        true
    }

    /// Reads the PROXY header, and begins the session once it is there.
    #[cold]
    fn read_header(&mut self, recorder: &Recorder, now: Instant) -> Next {
        let Stage::Header(wait) = &self.stage else {
            return Next::Again;
        };
        match wait.look(&self.stream, &mut self.ready, now) {
            Look::Wait(until) => Next::Wait(Some(until)),
            Look::Again => Next::Again,
            Look::Header(header) => {
                self.peer = header.source.map_or(self.peer, Peer::from);
                match self.begin(Some(&header), recorder, now) {
                    true => Next::Again,
                    false => Next::Close,
                }
            }
            Look::Fault(fault) => {
                self.refuse(&Refusal::ProxyHeader(fault), recorder);
                Next::Close
            }
        }
    }

    /// Writes the greeting, and begins to serve once it is written.
    #[cold]
    fn greet(&mut self, recorder: &Recorder, now: Instant) -> Next {
        let Stage::Greeting(greeting) = &mut self.stage else {
            return Next::Again;
        };
        let mut socket = Socket {
            stream: &self.stream,
            ready: &mut self.ready,
        };
        match greeting.write(&mut socket, now) {
            Greeted::Wait(until) => Next::Wait(Some(until)),
            Greeted::Again => Next::Again,
            Greeted::Failed(reason) => {
                greeting.session.end(reason);
                self.end(reason, recorder, now)
            }
            Greeted::Whole => {
                let ended = Stage::Lingering(Linger::new(now));
                if let Stage::Greeting(greeting) = mem::replace(&mut self.stage, ended) {
                    self.stage = Stage::Serving(greeting.session);
                }
                Next::Again
            }
        }
    }

    /// Returns the session, if it has begun and not ended.
    fn session(&self) -> Option<&Session<Storage>> {
        match &self.stage {
            Stage::Greeting(greeting) => Some(&greeting.session),
            Stage::Serving(session) => Some(session),
            Stage::Header(_) | Stage::Lingering(_) => None,
        }
    }

    fn session_mut(&mut self) -> Option<&mut Session<Storage>> {
        match &mut self.stage {
            Stage::Greeting(greeting) => Some(&mut greeting.session),
            Stage::Serving(session) => Some(session),
            Stage::Header(_) | Stage::Lingering(_) => None,
        }
    }

    /// Records that the connection is refused. It is reset when it is dropped.
    fn refuse(&self, refusal: &Refusal, recorder: &Recorder) {
        recorder.refused(&self.info(recorder), refusal);
        reset(&self.stream);
    }

    /// Gives back the place that the connection takes among those of its peer.
    pub(crate) fn release(&self, recorder: &Recorder) {
        if !matches!(self.stage, Stage::Header(_)) {
            recorder.release(self.peer);
        }
    }

    /// Returns its description for the observer.
    pub(crate) fn info<'a>(&'a self, recorder: &'a Recorder) -> ConnectionInfo<'a> {
        ConnectionInfo {
            peer: self.peer,
            stream: &self.stream,
            listener: recorder.listener(self.listener),
        }
    }

    /// Registers its socket for events with this token.
    pub(crate) fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        registry.register(&mut self.stream, token, interest())
    }

    pub(crate) fn note(&mut self, event: &Event) {
        self.ready.note(event);
    }

    /// Gives the connection a turn.
    #[inline]
    pub(crate) fn turn(&mut self, pool: &mut Pool, recorder: &Recorder, now: Instant) -> Next {
        let mut socket = Socket {
            stream: &self.stream,
            ready: &mut self.ready,
        };
        let session = match &mut self.stage {
            Stage::Header(_) => return self.read_header(recorder, now),
            Stage::Greeting(_) => return self.greet(recorder, now),
            Stage::Serving(session) => session,
            Stage::Lingering(linger) => return linger.turn(&mut socket, self.peer, now),
        };
        // A session that holds nothing has no buffer but during its turn.
        if session.capacity() == 0 {
            match pool.take() {
                Ok(storage) => exchange(session, storage, pool),
                Err(error) => session.end(Reason::Failed(error.kind().into())),
            }
        }
        let before = session.counters();
        let budget = session.turn_budget();
        let turn = match recorder.content() {
            None => polled::serve(session, &mut socket, now, budget),
            Some(observer) => {
                let mut observed = Observed {
                    io: socket,
                    connection: ConnectionInfo {
                        peer: self.peer,
                        stream: &self.stream,
                        listener: recorder.listener(self.listener),
                    },
                    observer,
                };
                polled::serve(session, &mut observed, now, budget)
            }
        };
        recorder.count(&before, &session.counters());
        if session.held() == 0 {
            exchange(session, Storage::default(), pool);
        }
        match turn {
            Turn::Again => Next::Again,
            Turn::Wait { until, .. } => Next::Wait(until),
            Turn::Ended(reason) => self.end(reason, recorder, now),
        }
    }

    /// Asks the session to finish with what has arrived.
    pub(crate) fn shut_down(&mut self) {
        match &mut self.stage {
            Stage::Header(wait) => wait.shutting_down = true,
            Stage::Greeting(greeting) => greeting.session.shutdown(),
            Stage::Serving(session) => session.shutdown(),
            Stage::Lingering(_) => return,
        }
        self.ready.suppose_input();
    }

    /// Has the session read nothing more and send what it holds.
    pub(crate) fn end_input(&mut self) {
        if let Some(session) = self.session_mut() {
            session.end_of_input();
        }
    }

    /// Ends the session now, before the connection is dropped. Returns the number of bytes that are
    /// lost with it.
    pub(crate) fn cut(&mut self, recorder: &Recorder, now: Instant) -> usize {
        let greeting = match &self.stage {
            Stage::Greeting(greeting) => greeting.left(),
            _ => 0,
        };
        let Some(session) = self.session_mut() else {
            return 0;
        };
        let held = session.held() + greeting;
        session.end(Reason::Shutdown);
        // A reset tells the peer that something is missing.
        if held > 0 {
            reset(&self.stream);
        }
        self.record(Reason::Shutdown, recorder, now);
        held
    }

    /// Records a session that has ended for this reason, and begins the end that fits it.
    #[cold]
    fn end(&mut self, reason: Reason, recorder: &Recorder, now: Instant) -> Next {
        self.record(reason, recorder, now);
        match reason {
            // The peer has closed its side and all of it was read: closing ours cannot reset.
            Reason::PeerClosed => Next::Close,
            Reason::LineTooLong | Reason::Shutdown => {
                if self.stream.shutdown(Shutdown::Write).is_err() {
                    return Next::Close;
                }
                self.ready.suppose_input();
                self.stage = Stage::Lingering(Linger::new(now));
                Next::Again
            }
            // A reset tells the peer that output is lost, and has the kernel drop that output.
            Reason::WriteStalled => {
                reset(&self.stream);
                Next::Close
            }
            _ => Next::Close,
        }
    }

    /// Records the session's end.
    pub(crate) fn record(&self, reason: Reason, recorder: &Recorder, now: Instant) {
        if let Some(session) = self.session() {
            let end = SessionEnd {
                reason,
                counters: session.counters(),
                duration: now.saturating_duration_since(self.opened.into()),
            };
            recorder.closed(&self.info(recorder), &end);
        }
    }
}

/// The time at which a connection was accepted, in 48 bits of microseconds: 8.9 years.
#[derive(Clone, Copy)]
struct Opened([u8; 6]);

impl From<Instant> for Opened {
    fn from(time: Instant) -> Self {
        let [a, b, c, d, e, f, ..] = time.as_micros().to_le_bytes();
        Self([a, b, c, d, e, f])
    }
}

impl From<Opened> for Instant {
    fn from(Opened([a, b, c, d, e, f]): Opened) -> Self {
        Self::from_micros(u64::from_le_bytes([a, b, c, d, e, f, 0, 0]))
    }
}

/// Exchanges the storage of a session that holds nothing, and puts the other one back.
#[inline]
fn exchange(session: &mut Session<Storage>, storage: Storage, pool: &mut Pool) {
    let (Ok(storage) | Err(storage)) = session.replace_storage(storage);
    pool.put(storage);
}

/// Has the kernel reset the connection when it is closed, and drop its unsent output.
fn reset(stream: &TcpStream) {
    // Failing means that there is no connection any more.
    let _ = SockRef::from(stream).set_linger(Some(Duration::ZERO));
}
