//! The event loop that serves connections.

mod ending;

use std::io;
use std::mem;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::thread;
use std::time::Duration;

use linecho_core::{Instant, Reason};
use mio::event::Event;
use mio::{Events, Poll, Token};
use slab::Slab;

use crate::acceptor::{Accepted, Acceptor};
use crate::connection::Connection;
use crate::drain::Drain;
use crate::next::Next;
use crate::pool::Pool;
use crate::recorder::Recorder;
use crate::report::Unfinished;
use crate::settings::Settings;
use crate::shared::Shared;
#[cfg(unix)]
use crate::shutdown_stream::ShutdownStream;
use crate::spin::Spin;
use crate::sweep::Sweep;
use crate::wait_failures::WaitFailures;

/// The token of the waker. Tokens count down from here for listeners, and up from 0 for
/// connections.
pub(crate) const WAKE: Token = Token(usize::MAX);

/// The token of a listener; those of shutdown streams come after it.
pub(crate) const fn listener_token(index: usize) -> Token {
    Token(usize::MAX - 1 - index)
}

/// The longest wait for events. A wake-up that the system refused delays nobody for longer.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// The most events taken from the kernel at once.
const EVENTS: usize = 512;

/// The most connections accepted in a turn of the loop, so that open ones are not held up.
const ACCEPTS_PER_TURN: usize = 64;

/// Connections that a worker has room for from the start. The system provides that memory page by
/// page as it is touched. A smaller table would be copied on its way up, and leave holes behind
/// that are as large as all connections together.
const FIRST_CONNECTIONS: usize = 4096;

/// An event loop and its connections, which never leave it.
pub(crate) struct Worker {
    index: usize,
    shared: Arc<Shared>,
    recorder: Recorder,
    settings: Settings,
    poll: Poll,
    spin: Spin,
    pool: Pool,
    connections: Slab<Connection>,
    /// The connections that have a turn coming, each once.
    queue: Vec<usize>,
    sweep: Sweep,
    source: Source,
    #[cfg(unix)]
    shutdown_streams: Vec<ShutdownStream>,
    drain: Option<Drain>,
    unfinished: Unfinished,
}

/// The source of a worker's connections.
pub(crate) enum Source {
    /// The first worker accepts for all.
    Acceptor(Acceptor),
    /// The others receive from the first.
    Inbox(Receiver<Accepted>),
    /// There will be no more.
    Closed,
}

impl Worker {
    pub(crate) fn new(
        index: usize,
        shared: Arc<Shared>,
        recorder: Recorder,
        settings: Settings,
        poll: Poll,
        spin: Spin,
        source: Source,
    ) -> Self {
        Self {
            index,
            shared,
            recorder,
            settings,
            poll,
            spin,
            pool: Pool::new(settings.max_line),
            connections: Slab::with_capacity(FIRST_CONNECTIONS),
            queue: Vec::new(),
            sweep: Sweep::new(),
            source,
            #[cfg(unix)]
            shutdown_streams: Vec::new(),
            drain: None,
            unfinished: Unfinished::default(),
        }
    }

    /// Has the bytes on a stream shut the server down.
    #[cfg(unix)]
    pub(crate) fn watch(&mut self, mut stream: ShutdownStream) -> io::Result<()> {
        let token = listener_token(self.shared.listeners.len() + self.shutdown_streams.len());
        stream.register(self.poll.registry(), token)?;
        self.shutdown_streams.push(stream);
        Ok(())
    }

    /// Serves until the server has been shut down. Returns what was cut off then.
    pub(crate) fn run(mut self) -> io::Result<Unfinished> {
        // The observer may panic. The server does not go on half alive then.
        let _stop_on_panic = StopOnPanic(self.shared.clone());
        self.recorder.start();
        let mut events = Events::with_capacity(EVENTS);
        let mut failures = WaitFailures::default();
        let mut woke = self.shared.now();
        loop {
            let now = self.shared.now();
            self.shared.workers[self.index].turns_took.note(woke, now);
            if !events.is_empty() {
                self.spin.served(now);
            }
            let timeout = self.timeout(now);
            match self.poll.poll(&mut events, Some(timeout)) {
                Ok(()) => failures.end(),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // Deadlines and a shutdown go on without events.
                Err(error) => match failures.note(&error, now) {
                    Ok(pause) => thread::sleep(pause),
                    Err(error) => {
                        self.shared.stop();
                        return Err(error);
                    }
                },
            }
            let now = self.shared.now();
            woke = now;
            for event in &events {
                self.note(event);
            }
            for key in self.sweep.slots(now, self.connections.capacity()) {
                self.enqueue(key);
            }
            self.serve_queue(now);
            self.take_in(ACCEPTS_PER_TURN, now);
            self.shared.workers[self.index].count_turn();
            if self.finished(now) {
                return Ok(self.unfinished);
            }
        }
    }

    /// Returns how long to wait for events.
    fn timeout(&self, now: Instant) -> Duration {
        if !self.queue.is_empty() || self.spin.goes_on(now) {
            return Duration::ZERO;
        }
        let due = [
            self.sweep.due(),
            self.source.due(),
            self.shared.due(),
            self.drain.as_ref().and_then(Drain::due),
        ];
        let next = due.into_iter().flatten().min();
        next.map_or(LONGEST_WAIT, |next| {
            next.saturating_duration_since(now).min(LONGEST_WAIT)
        })
    }

    #[inline]
    fn note(&mut self, event: &Event) {
        let Token(key) = event.token();
        if let Some(connection) = self.connections.get_mut(key) {
            connection.note(event);
            self.enqueue(key);
        } else {
            self.note_other(listener_token(0).0.wrapping_sub(key));
        }
    }

    /// Notes an event of a listener, or of a shutdown stream after the listeners.
    fn note_other(&mut self, index: usize) {
        if let Source::Acceptor(acceptor) = &mut self.source {
            acceptor.note(index);
        }
        #[cfg(unix)]
        if let Some(index) = index.checked_sub(self.shared.listeners.len()) {
            if let Some(stream) = self.shutdown_streams.get_mut(index) {
                for _ in 0..stream.bytes() {
                    self.shared.shut_down(stream.delay);
                }
            }
        }
    }

    #[inline]
    fn enqueue(&mut self, key: usize) {
        if let Some(connection) = self.connections.get_mut(key) {
            if !connection.queued {
                connection.queued = true;
                self.queue.push(key);
            }
        }
    }

    /// Gives each connection in the queue one turn. Those that want another are in the queue then.
    fn serve_queue(&mut self, now: Instant) {
        let count = self.queue.len();
        for position in 0..count {
            let key = self.queue[position];
            let Some(connection) = self.connections.get_mut(key) else {
                continue;
            };
            connection.queued = false;
            match connection.turn(&mut self.pool, &self.recorder, now) {
                Next::Wait(None) => {}
                Next::Wait(Some(deadline)) => self.sweep.note(deadline),
                Next::Again => self.enqueue(key),
                Next::Close => self.close(key),
            }
        }
        self.queue.drain(..count);
    }

    fn close(&mut self, key: usize) {
        if let Some(connection) = self.connections.try_remove(key) {
            connection.release(&self.recorder);
            drop(connection);
            self.shared.closed(self.index);
        }
    }

    /// Takes in new connections. The first worker accepts at most `count`, and hands the others
    /// theirs.
    fn take_in(&mut self, count: usize, now: Instant) {
        if matches!(&self.source, Source::Acceptor(it) if it.due().is_none()) {
            return;
        }
        match mem::replace(&mut self.source, Source::Closed) {
            Source::Acceptor(mut acceptor) => {
                for _ in 0..count {
                    let accepted = acceptor.next(now);
                    if let Some(own) = accepted.and_then(|it| acceptor.hand_over(it)) {
                        self.open(own, now);
                    }
                    if !acceptor.is_ready() {
                        break;
                    }
                }
                acceptor.wake_workers();
                self.source = Source::Acceptor(acceptor);
            }
            Source::Inbox(inbox) => loop {
                match inbox.try_recv() {
                    Ok(accepted) => self.open(accepted, now),
                    Err(TryRecvError::Empty) => break self.source = Source::Inbox(inbox),
                    Err(TryRecvError::Disconnected) => break,
                }
            },
            Source::Closed => {}
        }
    }

    fn open(&mut self, accepted: Accepted, now: Instant) {
        let with_header = self
            .recorder
            .listener(accepted.listener)
            .requires_proxy_header();
        let entry = self.connections.vacant_entry();
        let key = entry.key();
        let connection = entry.insert(Connection::new(accepted, self.settings.session, now));
        if self.drain.is_some() {
            connection.shut_down();
        }
        if !with_header && !connection.begin(None, &self.recorder, now) {
            return self.close(key);
        }
        // Its first turn, which tells its deadline, comes soon: the socket is ready to be written
        // to, and the next poll says so.
        if let Err(error) = connection.register(self.poll.registry(), Token(key)) {
            // The kernel is out of memory for it, or at a limit that the user has.
            let reason = Reason::Failed(error.kind().into());
            connection.record(reason, &self.recorder, now);
            self.close(key);
        }
    }
}

impl Source {
    /// The time at which it has something to do, whatever else happens.
    fn due(&self) -> Option<Instant> {
        match self {
            Self::Acceptor(acceptor) => acceptor.due(),
            Self::Inbox(_) | Self::Closed => None,
        }
    }
}

/// Stops the server if the thread that holds it panics.
struct StopOnPanic(Arc<Shared>);

impl Drop for StopOnPanic {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.stop();
        }
    }
}
