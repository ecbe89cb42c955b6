//! Accepting connections, and handing them to the workers.
//!
//! The first worker accepts for all, and gives each connection to the worker that has the fewest. A
//! listening socket for each worker (`SO_REUSEPORT`) would be worse: the kernel spreads connections
//! by a hash, so that of eight busy ones two workers may get seven and one; macOS does not spread
//! them at all; connections that wait behind a busy worker stay there; and a second server of the
//! same user would take the port without an error. With one socket that all workers watch, each new
//! connection wakes them all. Handing over costs one wake-up for a batch, and keeps the limit on
//! connections and the shortage of descriptors in one place.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::mpsc::Sender;
use std::time::Duration;

use linecho_core::Instant;
#[cfg(unix)]
use mio::Registry;
use mio::net::TcpStream;
use socket2::SockRef;

use crate::backoff::Backoff;
use crate::listen::set_options;
use crate::listener::AcceptSocket;
use crate::observer::{AcceptPaused, Observer};
use crate::peer::Peer;
use crate::settings::Settings;
use crate::shared::Shared;

/// A connection on its way to its worker.
pub(crate) struct Accepted {
    pub(crate) stream: TcpStream,
    pub(crate) peer: Peer,
    /// The index of its listener.
    pub(crate) listener: u16,
}

/// The listening sockets of a server, and the ways to its workers.
pub(crate) struct Acceptor {
    shared: Arc<Shared>,
    observer: Option<Arc<dyn Observer>>,
    settings: Settings,
    listeners: Vec<Listening>,
    /// The listener to ask first, so that each gets its turn.
    first: usize,
    /// For the workers from the second on.
    outlets: Vec<Outlet>,
    /// The end of a pause, which also ends when a connection closes.
    paused_until: Option<Instant>,
    backoff: Backoff,
    last_told: Option<Instant>,
}

struct Listening {
    socket: Arc<AcceptSocket>,
    /// An event said that connections wait, and accept(2) has not denied it since.
    waiting: bool,
}

pub(crate) struct Outlet {
    sender: Sender<Accepted>,
    /// Connections were sent since the worker was woken.
    used: bool,
}

/// The shortest time between two reports of a pause.
const SILENCE: Duration = Duration::from_secs(1);
/// The end of a pause that only a connection that closes ends.
const NEVER: Instant = Instant::from_micros(u64::MAX);

impl Acceptor {
    pub(crate) fn new(
        shared: Arc<Shared>,
        observer: Option<Arc<dyn Observer>>,
        settings: Settings,
        listeners: impl IntoIterator<Item = Arc<AcceptSocket>>,
        outlets: impl IntoIterator<Item = Sender<Accepted>>,
    ) -> Self {
        let listening = |socket| Listening {
            socket,
            waiting: true,
        };
        let outlet = |sender| Outlet {
            sender,
            used: false,
        };
        Self {
            shared,
            observer,
            settings,
            listeners: listeners.into_iter().map(listening).collect(),
            first: 0,
            outlets: outlets.into_iter().map(outlet).collect(),
            paused_until: None,
            backoff: Backoff::default(),
            last_told: None,
        }
    }

    /// Takes the sockets out of the event loop. To close them is not enough while another process
    /// has them, too: each connection would still wake this one.
    #[cfg(unix)]
    pub(crate) fn deregister(&self, registry: &Registry) {
        for listener in &self.listeners {
            // It has been registered, and nothing else could fail.
            let _: io::Result<()> = listener.socket.deregister(registry);
        }
    }

    pub(crate) fn listeners(&self) -> usize {
        self.listeners.len()
    }

    /// Notes an event: connections wait at this listener.
    pub(crate) fn note(&mut self, listener: usize) {
        if let Some(listener) = self.listeners.get_mut(listener) {
            listener.waiting = true;
        }
    }

    /// Ends a pause and tries every listener for the last time, event or not. What waits at a
    /// shared one is for another process.
    pub(crate) fn try_last(&mut self) {
        self.paused_until = None;
        for (listener, info) in self.listeners.iter_mut().zip(&self.shared.listeners) {
            listener.waiting = !info.is_shared();
        }
    }

    /// The time at which it has something to do, whatever else happens.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.is_ready()
            .then_some(Instant::ZERO)
            .or(self.paused_until)
    }

    /// Returns `true` while [`next`](Self::next) is worth a call.
    pub(crate) fn is_ready(&self) -> bool {
        self.paused_until.is_none() && self.listeners.iter().any(|listener| listener.waiting)
    }

    /// Accepts the next connection. `None` may mean that one attempt failed: call again while the
    /// acceptor [is ready](Self::is_ready).
    pub(crate) fn next(&mut self, now: Instant) -> Option<Accepted> {
        if let Some(until) = self.paused_until {
            if now < until && self.shared.wake_on_close.load(SeqCst) {
                return None;
            }
            self.paused_until = None;
        }
        let (first, count) = (self.first, self.listeners.len());
        for index in (first..count).chain(0..first) {
            if !self.listeners[index].waiting {
                continue;
            }
            if self.is_full(now) {
                return None;
            }
            match self.listeners[index].socket.accept() {
                Ok((stream, peer)) => {
                    self.first = (index + 1) % count;
                    self.backoff.accepted();
                    return Some(Accepted {
                        stream,
                        peer,
                        listener: u16::try_from(index).unwrap_or(u16::MAX),
                    });
                }
                Err(error) => self.accept_failed(index, error, now),
            }
        }
        None
    }

    /// Returns `true` when no more connections may be open, and pauses until one closes.
    fn is_full(&mut self, now: Instant) -> bool {
        if self.shared.connections() < self.settings.max_connections {
            return false;
        }
        self.shared.wake_on_close.store(true, SeqCst);
        // One may have closed just before it could see the pause.
        if self.shared.connections() < self.settings.max_connections {
            return false;
        }
        self.paused_until = Some(NEVER);
        let counter = &self.shared.accept_counters.pauses_at_limit;
        counter.fetch_add(1, SeqCst);
        let max = self.settings.max_connections;
        self.tell(&AcceptPaused::MaxConnections(max), now);
        true
    }

    fn accept_failed(&mut self, listener: usize, error: io::Error, now: Instant) {
        if error.kind() == io::ErrorKind::WouldBlock {
            self.listeners[listener].waiting = false;
            return;
        }
        if let Some(pause) = self.backoff.failed(error.kind()) {
            self.shared.wake_on_close.store(true, SeqCst);
            self.paused_until = Some(now + pause);
            let counter = &self.shared.accept_counters.pauses_after_error;
            counter.fetch_add(1, SeqCst);
            let address = self.shared.listeners[listener].address().clone();
            self.tell(&AcceptPaused::Error { address, error }, now);
        }
    }

    fn tell(&mut self, cause: &AcceptPaused, now: Instant) {
        let Some(observer) = &self.observer else {
            return;
        };
        if self.last_told.is_none_or(|last| now >= last + SILENCE) {
            self.last_told = Some(now);
            observer.accept_paused(cause);
        }
    }

    /// Gives a connection to the worker that has the fewest. Returns it if that is the first one.
    pub(crate) fn hand_over(&mut self, accepted: Accepted) -> Option<Accepted> {
        // Linux gives a new connection the options of the listening socket. Elsewhere that is not
        // certain, so they are set again.
        if !cfg!(any(target_os = "linux", target_os = "android")) {
            set_options(&SockRef::from(&accepted.stream), self.settings.keep_alive);
        }
        let workers = &self.shared.workers;
        let fewest =
            (0..workers.len()).min_by_key(|&index| workers[index].connections.load(SeqCst))?;
        workers[fewest].connections.fetch_add(1, SeqCst);
        let Some(outlet) = fewest.checked_sub(1).map(|it| &mut self.outlets[it]) else {
            return Some(accepted);
        };
        outlet.used = true;
        if outlet.sender.send(accepted).is_err() {
            // The worker has ended, and the server is about to end.
            self.shared.closed(fewest);
        }
        None
    }

    /// Wakes the workers that were given connections.
    pub(crate) fn wake_workers(&mut self) {
        for (index, outlet) in self.outlets.iter_mut().enumerate() {
            if outlet.used {
                outlet.used = false;
                self.shared.wake(index + 1);
            }
        }
    }
}
