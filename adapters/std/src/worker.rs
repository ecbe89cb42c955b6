//! The event loop that serves connections.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::Duration;

use linecho_core::{Config, Instant, Reason};
use mio::event::Event;
use mio::{Events, Poll, Token};
use slab::Slab;

use crate::acceptor::{Accepted, Acceptor};
use crate::connection::{Connection, Next};
use crate::drain::Drain;
use crate::handle::Shared;
use crate::observer::Observer;
use crate::pool::Pool;
use crate::server::Cut;
use crate::sweep::Sweep;

/// Wakes the loop. Tokens count down from here for listeners, and up from 0 for connections.
pub(crate) const WAKE: Token = Token(usize::MAX);

/// The token of a listener.
pub(crate) const fn listener_token(index: usize) -> Token {
    Token(usize::MAX - 1 - index)
}

/// Events taken from the kernel at once.
const EVENTS: usize = 512;

/// kevent(2) refuses to wait for more than three years.
const LONGEST_SLEEP: Duration = Duration::from_secs(3600);

/// Connections accepted in a turn of the loop, so that those that are open are not held up.
const ACCEPTS_PER_TURN: usize = 64;

/// An event loop and its connections, which never leave it.
pub(crate) struct Worker {
    pub(crate) index: usize,
    pub(crate) shared: Arc<Shared>,
    pub(crate) observer: Option<Arc<dyn Observer>>,
    pub(crate) config: Config,
    pub(crate) drain_timeout: Duration,
    pub(crate) poll: Poll,
    pub(crate) pool: Pool,
    pub(crate) connections: Slab<Connection>,
    /// The connections that have a turn coming, each once.
    pub(crate) queue: Vec<usize>,
    pub(crate) sweep: Sweep,
    /// The first worker accepts for all.
    pub(crate) acceptor: Option<Acceptor>,
    /// Where the others get their connections from, until there will be no more.
    pub(crate) inbox: Option<Receiver<Accepted>>,
    pub(crate) drain: Option<Drain>,
    pub(crate) cut: Cut,
}

impl Worker {
    /// Serves until the server has been shut down, and says what was cut then.
    pub(crate) fn run(mut self) -> io::Result<Cut> {
        // An observer that panics, say: the server does not go on half alive.
        let _stop_on_panic = StopOnPanic(self.shared.clone());
        let wants_content = |it: &Arc<dyn Observer>| it.wants_content().then(|| it.clone());
        let content = self.observer.as_ref().and_then(wants_content);
        let mut events = Events::with_capacity(EVENTS);
        loop {
            let timeout = self.timeout();
            match self.poll.poll(&mut events, timeout) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => {
                    self.shared.stop();
                    return Err(error);
                }
                _ => {}
            }
            let now = self.shared.now();
            for event in &events {
                self.note(event);
            }
            for key in self.sweep.slots(now, self.connections.capacity()) {
                self.enqueue(key);
            }
            self.serve_queue(content.as_deref(), now);
            self.accept(ACCEPTS_PER_TURN, now);
            self.receive(now);
            if self.finished(now) {
                return Ok(self.cut);
            }
        }
    }

    /// How long to sleep if nothing happens; `None` for as long as that is so.
    fn timeout(&self) -> Option<Duration> {
        if !self.queue.is_empty() {
            return Some(Duration::ZERO);
        }
        let due = [
            self.sweep.due(),
            self.acceptor.as_ref().and_then(Acceptor::due),
            self.drain.as_ref().map(Drain::due),
        ];
        let next = due.into_iter().flatten().min()?;
        Some(
            next.saturating_duration_since(self.shared.now())
                .min(LONGEST_SLEEP),
        )
    }

    #[inline]
    fn note(&mut self, event: &Event) {
        let Token(key) = event.token();
        if let Some(connection) = self.connections.get_mut(key) {
            connection.note(event);
            self.enqueue(key);
        } else if let Some(acceptor) = &mut self.acceptor {
            acceptor.note(listener_token(0).0.wrapping_sub(key));
        }
    }

    #[inline]
    pub(crate) fn enqueue(&mut self, key: usize) {
        if let Some(connection) = self.connections.get_mut(key) {
            if !connection.queued {
                connection.queued = true;
                self.queue.push(key);
            }
        }
    }

    /// Gives each connection in the queue one turn. Those that want another are in the queue then.
    fn serve_queue(&mut self, content: Option<&dyn Observer>, now: Instant) {
        let count = self.queue.len();
        for position in 0..count {
            let key = self.queue[position];
            let Some(connection) = self.connections.get_mut(key) else {
                continue;
            };
            connection.queued = false;
            let mut next = connection.turn(&mut self.pool, content, now);
            if let Next::End(reason) = next {
                next = self.end(key, reason, now);
            }
            match next {
                Next::Wait(None) => {}
                Next::Wait(Some(deadline)) => self.sweep.note(deadline),
                Next::Again => self.enqueue(key),
                Next::Close | Next::End(_) => self.close(key),
            }
        }
        self.queue.drain(..count);
    }

    /// Reports a session that has ended.
    pub(crate) fn end(&mut self, key: usize, reason: Reason, now: Instant) -> Next {
        let Some(connection) = self.connections.get_mut(key) else {
            return Next::Close;
        };
        let closed = connection.closed(reason, now);
        self.shared.workers[self.index]
            .totals()
            .close(reason, &closed.counters);
        if let Some(observer) = &self.observer {
            observer.closed(connection.peer(), &closed);
        }
        connection.end(reason, now)
    }

    pub(crate) fn close(&mut self, key: usize) {
        if self.connections.try_remove(key).is_some() {
            self.shared.closed(self.index);
        }
    }

    /// Accepts at most `count` connections, and gives each to its worker.
    pub(crate) fn accept(&mut self, count: usize, now: Instant) {
        let Some(mut acceptor) = self.acceptor.take() else {
            return;
        };
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
        self.acceptor = Some(acceptor);
    }

    /// Takes the connections that the first worker has accepted for this one.
    fn receive(&mut self, now: Instant) {
        while let Some(inbox) = &self.inbox {
            match inbox.try_recv() {
                Ok(accepted) => self.open(accepted, now),
                Err(TryRecvError::Empty) => return,
                Err(TryRecvError::Disconnected) => self.inbox = None,
            }
        }
    }

    fn open(&mut self, (stream, peer): Accepted, now: Instant) {
        let entry = self.connections.vacant_entry();
        let key = entry.key();
        let connection = entry.insert(Connection::new(stream, peer, self.config, now));
        if self.drain.is_some() {
            connection.shut_down();
        }
        // Its first turn, from which its deadline is known, comes soon: it is ready to be written to,
        // and the next poll says so.
        let registered = connection.register(self.poll.registry(), Token(key));
        self.shared.workers[self.index].totals().open();
        if let Some(observer) = &self.observer {
            observer.opened(peer);
        }
        // The kernel is out of memory for it, or at a limit that the user has.
        if let Err(error) = registered {
            self.end(key, Reason::Reset(error.kind().into()), now);
            self.close(key);
        }
    }
}

/// Cuts everything if the thread that holds it panics.
struct StopOnPanic(Arc<Shared>);

impl Drop for StopOnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.stop();
        }
    }
}
