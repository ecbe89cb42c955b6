//! A program's handle on a server.

#[cfg(unix)]
use std::io;
use std::sync::Arc;
#[cfg(unix)]
use std::sync::Weak;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use linecho_core::Totals;

#[cfg(unix)]
use crate::listener::Listener;
use crate::shared::{Phase, Shared};

/// A handle on a [`Server`](crate::Server), for other threads than those that run it.
#[derive(Clone)]
pub struct Handle(pub(crate) Arc<Shared>);

/// Counts of pauses in accepting, and of connections that were refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct AcceptCounters {
    /// Pauses because [`max_connections`](crate::Builder::max_connections) were open.
    pub pauses_at_limit: u64,
    /// Pauses because accept(2) failed.
    pub pauses_after_error: u64,
    /// Connections that were refused because their peer had as many as
    /// [`max_per_peer`](crate::Builder::max_per_peer) allows.
    pub over_peer_limit: u64,
    /// Connections that were refused because they did not begin with the PROXY header that their
    /// listener [requires](crate::Listener::require_proxy_header).
    pub without_proxy_header: u64,
}

impl Handle {
    /// Asks the server to finish. It accepts the connections that already wait, as far as its
    /// limits allow, and then no more. It takes in what has arrived on its connections, sends all
    /// of it back with the unfinished rest of a last line, and closes them in order. Connections
    /// that are not done by the end of the drain timeout are cut off, which the report of
    /// [`Server::run`](crate::Server::run) tells.
    ///
    /// A connection whose session has ended waits up to 2 s for the peer to close its side: a reset
    /// could destroy echo that is on its way. On Linux it ends earlier, once the peer has
    /// acknowledged everything and sent nothing for 100 ms, so that idle peers hold nothing up.
    ///
    /// The second call cuts off at once what is left.
    pub fn shutdown(&self) {
        self.0.shut_down(Duration::ZERO);
    }

    /// Announces a [shutdown](Self::shutdown), which begins after this delay. Until then the server
    /// accepts and serves as before, while [`is_leaving`](Self::is_leaving) tells a balancer to
    /// send no more connections here.
    ///
    /// A second call, of this or of `shutdown`, begins the shutdown at once.
    pub fn shutdown_after(&self, delay: Duration) {
        self.0.shut_down(delay);
    }

    /// Returns the listeners with descriptors of their own, to [send](crate::send_listeners) them
    /// to the process that takes over. A server that accepts no more has none.
    ///
    /// # Errors
    ///
    /// When the process may open no more file descriptors.
    #[cfg(unix)]
    pub fn duplicate_listeners(&self) -> io::Result<Vec<Listener>> {
        let sockets = self.0.sockets.iter().map(Weak::upgrade);
        let listeners = sockets.zip(&self.0.listeners);
        let open = listeners.filter_map(|(socket, info)| Some((socket?, info)));
        open.map(|(socket, info)| info.of_duplicate(socket.duplicate()?))
            .collect()
    }

    /// Closes the listening sockets at once, leaves the connections that wait there to another
    /// process that has [received](crate::receive_listeners) them, and begins a
    /// [shutdown](Self::shutdown) after this delay. Until then the open connections are served as
    /// before. A shutdown that has been asked for already goes on as it is.
    #[cfg(unix)]
    pub fn hand_over(&self, delay: Duration) {
        self.0.hand_over(delay);
    }

    /// Returns `true` from the first call of [`shutdown`](Self::shutdown) or
    /// [`shutdown_after`](Self::shutdown_after) on: the server is about to end.
    #[must_use]
    pub fn is_leaving(&self) -> bool {
        self.0.phase() > Phase::Serving
    }

    /// Returns what the server has done so far, by sessions that have ended and by those that are
    /// open.
    #[must_use]
    pub fn totals(&self) -> Totals {
        let mut sum = Totals::default();
        for worker in &self.0.workers {
            sum.add(&worker.live_totals());
        }
        sum
    }

    /// Returns the counts of pauses in accepting, and of refused connections.
    #[must_use]
    pub fn accept_counters(&self) -> AcceptCounters {
        let counters = &self.0.accept_counters;
        AcceptCounters {
            pauses_at_limit: counters.pauses_at_limit.load(SeqCst),
            pauses_after_error: counters.pauses_after_error.load(SeqCst),
            over_peer_limit: counters.over_peer_limit.load(SeqCst),
            without_proxy_header: counters.without_proxy_header.load(SeqCst),
        }
    }

    /// Returns `true` if all workers have had a turn within this time: none of them hangs, for
    /// example in the observer. For watchdogs. A server that has ended, or does not run yet, has no
    /// turns.
    #[must_use]
    pub fn ping(&self, limit: Duration) -> bool {
        self.0.ping(limit)
    }

    /// Returns the longest turn that a worker's loop took in the last 15 s: a line that has arrived
    /// waits at most so long until the worker looks at its connection again. A turn that
    /// still runs does not count.
    #[must_use]
    pub fn longest_turn(&self) -> Duration {
        let now = self.0.now();
        let each = self.0.workers.iter().map(|it| it.turns_took.longest(now));
        each.max().unwrap_or_default()
    }

    /// Returns the number of connections that are open now, with those whose session has ended and
    /// that still wait for the peer to close its side.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.0.connections()
    }
}
