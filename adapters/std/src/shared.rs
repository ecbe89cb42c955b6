//! The state that the workers of a server share.

#[cfg(unix)]
use std::sync::Weak;
use std::sync::atomic::{
    AtomicBool, AtomicU8, AtomicU64, AtomicUsize,
    Ordering::{Relaxed, SeqCst},
};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{self, Duration};

use linecho_core::{Counters, Instant, Totals};
use mio::Waker;

use crate::listener::{AcceptSocket, ListenerInfo};
use crate::peer_limit::PeerLimit;
use crate::turns::Turns;

/// The phase of a server's life. It only ever goes forward.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Phase {
    Serving,
    /// Serving on, until the delay before the drain has passed.
    Leaving,
    Draining,
    Stopping,
}

/// The pause between two looks at the workers that were pinged.
const PING_PAUSE: Duration = Duration::from_millis(1);

/// The most attempts to wake a worker.
const WAKE_TRIES: usize = 3;

/// The state that the workers of a server share.
pub(crate) struct Shared {
    epoch: time::Instant,
    phase: AtomicU8,
    /// The end of [`Phase::Leaving`], in microseconds.
    drain_at: AtomicU64,
    handed_over: AtomicBool,
    pub(crate) listeners: Box<[ListenerInfo]>,
    /// The socket of each listener, as long as it accepts.
    #[cfg(unix)]
    pub(crate) sockets: Box<[Weak<AcceptSocket>]>,
    pub(crate) workers: Box<[WorkerState]>,
    /// The next connection that closes wakes the first worker, which waits for it.
    pub(crate) wake_on_close: AtomicBool,
    pub(crate) accept_counters: AtomicAcceptCounters,
    pub(crate) peer_limit: Option<PeerLimit>,
}

/// The part of a worker that others see. Each has its own cache lines, since each worker writes to
/// its own all the time.
#[repr(align(128))]
pub(crate) struct WorkerState {
    waker: Waker,
    /// Turns of its loop.
    turns: AtomicU64,
    pub(crate) turns_took: Turns,
    traffic: Traffic,
    /// Its connections, those included that are on their way to it.
    pub(crate) connections: AtomicUsize,
    totals: Mutex<Totals>,
}

/// The fields of [`AcceptCounters`](crate::AcceptCounters).
#[derive(Debug, Default)]
pub(crate) struct AtomicAcceptCounters {
    pub(crate) pauses_at_limit: AtomicU64,
    pub(crate) pauses_after_error: AtomicU64,
    pub(crate) over_peer_limit: AtomicU64,
    pub(crate) without_proxy_header: AtomicU64,
}

/// The sums of what the sessions of a worker did, those included that are open. Only the worker
/// writes them.
#[derive(Debug, Default)]
struct Traffic {
    bytes_in: AtomicU64,
    bytes_out: AtomicU64,
    lines: AtomicU64,
    overlong: AtomicU64,
}

impl WorkerState {
    /// Counts a turn of the worker's loop, at its end.
    pub(crate) fn count_turn(&self) {
        self.turns.fetch_add(1, SeqCst);
    }

    /// Counts what a session did between these two of its counters.
    #[inline]
    pub(crate) fn count(&self, before: &Counters, after: &Counters) {
        let count = |total: &AtomicU64, before: u64, after: u64| {
            let sum = total.load(Relaxed).wrapping_add(after.wrapping_sub(before));
            total.store(sum, Relaxed);
        };
        let traffic = &self.traffic;
        count(&traffic.bytes_in, before.bytes_in, after.bytes_in);
        count(&traffic.bytes_out, before.bytes_out, after.bytes_out);
        count(&traffic.lines, before.lines, after.lines);
        count(&traffic.overlong, before.overlong, after.overlong);
    }

    /// Returns the totals, with the counters of open sessions.
    pub(crate) fn live_totals(&self) -> Totals {
        let mut totals = *self.totals();
        let traffic = &self.traffic;
        totals.counters.bytes_in = traffic.bytes_in.load(Relaxed);
        totals.counters.bytes_out = traffic.bytes_out.load(Relaxed);
        totals.counters.lines = traffic.lines.load(Relaxed);
        totals.counters.overlong = traffic.overlong.load(Relaxed);
        totals
    }

    pub(crate) fn totals(&self) -> MutexGuard<'_, Totals> {
        self.totals.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared {
    pub(crate) fn new(
        listeners: impl IntoIterator<Item = ListenerInfo>,
        #[cfg_attr(
            not(unix),
            expect(unused_variables, reason = "only UNIX hands them over")
        )]
        sockets: &[Arc<AcceptSocket>],
        wakers: impl IntoIterator<Item = Waker>,
        peer_limit: Option<PeerLimit>,
    ) -> Self {
        let state = |waker| WorkerState {
            waker,
            turns: AtomicU64::new(0),
            turns_took: Turns::default(),
            traffic: Traffic::default(),
            connections: AtomicUsize::new(0),
            totals: Mutex::default(),
        };
        Self {
            epoch: time::Instant::now(),
            phase: AtomicU8::new(Phase::Serving as u8),
            drain_at: AtomicU64::new(0),
            handed_over: AtomicBool::new(false),
            listeners: listeners.into_iter().collect(),
            #[cfg(unix)]
            sockets: sockets.iter().map(Arc::downgrade).collect(),
            workers: wakers.into_iter().map(state).collect(),
            wake_on_close: AtomicBool::new(false),
            accept_counters: AtomicAcceptCounters::default(),
            peer_limit,
        }
    }

    pub(crate) fn now(&self) -> Instant {
        Instant::ZERO + self.epoch.elapsed()
    }

    pub(crate) fn phase(&self) -> Phase {
        match self.phase.load(SeqCst) {
            0 => Phase::Serving,
            1 if self.now() < self.drain_at() => Phase::Leaving,
            1 | 2 => Phase::Draining,
            _ => Phase::Stopping,
        }
    }

    fn drain_at(&self) -> Instant {
        Instant::from_micros(self.drain_at.load(SeqCst))
    }

    /// The end of the delay before the drain, while it lasts.
    pub(crate) fn due(&self) -> Option<Instant> {
        (self.phase() == Phase::Leaving).then(|| self.drain_at())
    }

    /// Goes on to the next phase: from serving to the drain, at once or after a delay; from a delay
    /// to the drain; from the drain to the stop.
    pub(crate) fn shut_down(&self, delay: Duration) {
        let next = match self.phase() {
            Phase::Serving if !delay.is_zero() => {
                let drain_at = self.now() + delay;
                self.drain_at.store(drain_at.as_micros(), SeqCst);
                Phase::Leaving
            }
            Phase::Serving | Phase::Leaving => Phase::Draining,
            Phase::Draining | Phase::Stopping => Phase::Stopping,
        };
        self.enter(next);
    }

    /// Has the first worker close the listening sockets, which another process has, too. A shutdown
    /// that has been asked for goes on as it is.
    #[cfg(unix)]
    pub(crate) fn hand_over(&self, delay: Duration) {
        self.handed_over.store(true, SeqCst);
        match self.phase() {
            Phase::Serving => self.shut_down(delay),
            _ => self.wake_all(),
        }
    }

    pub(crate) fn is_handed_over(&self) -> bool {
        self.handed_over.load(SeqCst)
    }

    /// Wakes all workers, and returns `true` if each has had a turn within this time.
    pub(crate) fn ping(&self, limit: Duration) -> bool {
        let turns = || self.workers.iter().map(|it| it.turns.load(SeqCst));
        let before: Vec<_> = turns().collect();
        let end = time::Instant::now() + limit;
        self.wake_all();
        while turns().zip(&before).any(|(now, before)| now == *before) {
            if time::Instant::now() >= end {
                return false;
            }
            thread::sleep(PING_PAUSE);
        }
        true
    }

    /// Cuts off everything at once.
    pub(crate) fn stop(&self) {
        self.enter(Phase::Stopping);
    }

    fn enter(&self, phase: Phase) {
        self.phase.fetch_max(phase as u8, SeqCst);
        self.wake_all();
    }

    pub(crate) fn wake_all(&self) {
        for worker in 0..self.workers.len() {
            self.wake(worker);
        }
    }

    /// Wakes a worker. If the system refuses to, again and again, the worker wakes by itself later.
    pub(crate) fn wake(&self, worker: usize) {
        let waker = &self.workers[worker].waker;
        let _ = (0..WAKE_TRIES).any(|_| waker.wake().is_ok());
    }

    pub(crate) fn connections(&self) -> usize {
        let each = self.workers.iter().map(|it| it.connections.load(SeqCst));
        each.sum()
    }

    /// Counts a connection of a worker that is gone, its file descriptor with it.
    pub(crate) fn closed(&self, worker: usize) {
        self.workers[worker].connections.fetch_sub(1, SeqCst);
        if self.wake_on_close.load(SeqCst) && self.wake_on_close.swap(false, SeqCst) {
            self.wake(0);
        }
    }
}
