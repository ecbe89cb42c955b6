//! How a worker ends: what a shutdown finishes, and what it cuts.

use linecho_core::{Instant, Reason};

use crate::connection::Connection;
use crate::handle::Phase;
use crate::listen::BACKLOG;
use crate::worker::Worker;

/// The stages of a drain.
pub(crate) struct Drain {
    /// From here on nothing more is taken in: a peer that never stops sending would not be done before
    /// the end, and lose lines then. `None` once that has been said.
    no_more_input: Option<Instant>,
    /// What is not done is cut.
    end: Instant,
}

impl Drain {
    /// When there is something to do, whatever else happens.
    pub(crate) fn due(&self) -> Instant {
        self.no_more_input.unwrap_or(self.end)
    }
}

impl Worker {
    /// Goes on with a shutdown. Whether it is over.
    pub(crate) fn finished(&mut self, now: Instant) -> bool {
        match self.shared.phase() {
            Phase::Serving => return false,
            Phase::Draining => self.drain(now),
            Phase::Stopping => {
                self.acceptor = None;
                self.inbox = None;
                self.cut_all(now);
            }
        }
        self.connections.is_empty() && self.acceptor.is_none() && self.inbox.is_none()
    }

    fn drain(&mut self, now: Instant) {
        let Some(drain) = &mut self.drain else {
            return self.begin_drain(now);
        };
        if now >= drain.end {
            return self.cut_all(now);
        }
        if drain.no_more_input.is_some_and(|limit| now >= limit) {
            drain.no_more_input = None;
            self.each(Connection::end_input);
        }
    }

    fn begin_drain(&mut self, now: Instant) {
        self.drain = Some(Drain {
            no_more_input: Some(now + self.drain_timeout / 2),
            end: now + self.drain_timeout,
        });
        self.each(Connection::shut_down);
        if let Some(acceptor) = &mut self.acceptor {
            // Those that wait are established for their peers, and may have sent a line.
            acceptor.try_all();
            let waiting = acceptor.listeners() * BACKLOG as usize;
            self.accept(waiting, now);
            // Closes the listening sockets. The other workers see then that no connection comes.
            self.acceptor = None;
            self.shared.wake_all();
        }
    }

    /// Does something to each connection, and has it get a turn.
    fn each(&mut self, mut action: impl FnMut(&mut Connection)) {
        for key in 0..self.connections.capacity() {
            if let Some(connection) = self.connections.get_mut(key) {
                action(connection);
                self.enqueue(key);
            }
        }
    }

    /// Closes all connections, and notes what is lost with them.
    fn cut_all(&mut self, now: Instant) {
        for key in 0..self.connections.capacity() {
            let Some(bytes) = self.connections.get_mut(key).map(Connection::cut) else {
                continue;
            };
            if let Some(bytes) = bytes {
                self.cut.connections += usize::from(bytes > 0);
                self.cut.bytes += bytes as u64;
                self.end(key, Reason::Shutdown, now);
            }
            self.close(key);
        }
    }
}
