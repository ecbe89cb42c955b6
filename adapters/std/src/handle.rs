//! The state that the workers of a server share, and a program's handle on it.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time;

use linecho_core::{Instant, Totals};
use mio::Waker;

/// A handle on a [`Server`](crate::Server), for other threads than those that run it.
#[derive(Clone)]
pub struct Handle(pub(crate) Arc<Shared>);

impl Handle {
    /// Asks the server to finish. It accepts the connections that already wait, as far as its
    /// limits allow, and then no more. It takes in what has arrived on its connections, sends all
    /// of it back with the unfinished rest of a last line, and closes them in order. Connections
    /// that are not done by the end of the drain timeout are cut off, which the report of
    /// [`Server::run`](crate::Server::run) tells.
    ///
    /// The second call cuts off at once what is left.
    pub fn shutdown(&self) {
        self.0.advance();
    }

    /// Returns what the server has done so far. Bytes and lines are those of the sessions that have
    /// ended.
    #[must_use]
    pub fn totals(&self) -> Totals {
        let mut sum = Totals::default();
        for worker in &self.0.workers {
            sum.add(&worker.totals());
        }
        sum
    }

    /// Returns the number of connections that are open now. Those count whose session has ended and
    /// that wait for the peer to close its side.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.0.connections()
    }
}

/// The phase of a server's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Serving,
    Draining,
    Stopping,
}

/// The state that the workers of a server share.
pub(crate) struct Shared {
    epoch: time::Instant,
    phase: AtomicU8,
    pub(crate) workers: Box<[WorkerState]>,
    /// Accepting is paused: the next connection that closes wakes the acceptor.
    pub(crate) accept_paused: AtomicBool,
}

/// The part of a worker that others see.
pub(crate) struct WorkerState {
    pub(crate) waker: Waker,
    /// Its connections, those included that are on their way to it.
    pub(crate) connections: AtomicUsize,
    totals: Mutex<Totals>,
}

impl WorkerState {
    pub(crate) fn totals(&self) -> MutexGuard<'_, Totals> {
        self.totals.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared {
    pub(crate) fn new(wakers: impl IntoIterator<Item = Waker>) -> Self {
        let state = |waker| WorkerState {
            waker,
            connections: AtomicUsize::new(0),
            totals: Mutex::default(),
        };
        Self {
            epoch: time::Instant::now(),
            phase: AtomicU8::new(0),
            workers: wakers.into_iter().map(state).collect(),
            accept_paused: AtomicBool::new(false),
        }
    }

    pub(crate) fn now(&self) -> Instant {
        Instant::ZERO + self.epoch.elapsed()
    }

    pub(crate) fn phase(&self) -> Phase {
        match self.phase.load(SeqCst) {
            0 => Phase::Serving,
            1 => Phase::Draining,
            _ => Phase::Stopping,
        }
    }

    fn advance(&self) {
        let next = |phase: u8| Some(phase.saturating_add(1));
        let _ = self.phase.fetch_update(SeqCst, SeqCst, next);
        self.wake_all();
    }

    /// Cuts off everything at once.
    pub(crate) fn stop(&self) {
        self.phase.store(u8::MAX, SeqCst);
        self.wake_all();
    }

    pub(crate) fn wake_all(&self) {
        for worker in 0..self.workers.len() {
            self.wake(worker);
        }
    }

    /// Wakes a worker. An error can only mean that it has been woken already.
    pub(crate) fn wake(&self, worker: usize) {
        let _: io::Result<()> = self.workers[worker].waker.wake();
    }

    pub(crate) fn connections(&self) -> usize {
        let each = self.workers.iter().map(|it| it.connections.load(SeqCst));
        each.sum()
    }

    /// Counts a connection of a worker that is gone, its file descriptor with it.
    pub(crate) fn closed(&self, worker: usize) {
        self.workers[worker].connections.fetch_sub(1, SeqCst);
        if self.accept_paused.load(SeqCst) && self.accept_paused.swap(false, SeqCst) {
            self.wake(0);
        }
    }
}
