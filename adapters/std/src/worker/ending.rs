//! The end of a worker: it drains its connections, or cuts them off.

use std::mem;
use std::sync::atomic::Ordering::SeqCst;

use linecho_core::Instant;

use super::{Source, Worker};
use crate::connection::Connection;
use crate::drain::{Drain, Step};
use crate::listen::BACKLOG;
use crate::shared::Phase;

impl Worker {
    /// Goes on with a shutdown. Returns `true` when it is over.
    pub(super) fn finished(&mut self, now: Instant) -> bool {
        if self.shared.is_handed_over() && matches!(self.source, Source::Acceptor(_)) {
            // Connections that wait there are for the other process.
            self.close_listeners();
        }
        match self.shared.phase() {
            Phase::Serving | Phase::Leaving => return false,
            Phase::Draining => self.drain(now),
            Phase::Stopping => {
                self.close_listeners();
                self.cut_all(now);
            }
        }
        self.connections.is_empty()
            && matches!(self.source, Source::Closed)
            && (self.index > 0 || self.is_last())
    }

    /// Returns `true` when no worker has connections. Otherwise the next one that closes wakes this
    /// worker: the first must outlive the others, since it watches the shutdown streams.
    fn is_last(&self) -> bool {
        self.shared.wake_on_close.store(true, SeqCst);
        self.shared.connections() == 0
    }

    fn drain(&mut self, now: Instant) {
        let Some(drain) = &mut self.drain else {
            return self.begin_drain(now);
        };
        match drain.step(now) {
            Step::Wait => {}
            Step::EndInput => self.each(Connection::end_input),
            Step::Cut => self.cut_all(now),
        }
    }

    fn begin_drain(&mut self, now: Instant) {
        self.drain = Some(Drain::new(now, self.settings.drain_timeout));
        self.each(Connection::shut_down);
        if let Source::Acceptor(acceptor) = &mut self.source {
            // Connections that wait are established for their peers, which may have sent a line.
            acceptor.try_last();
            let waiting = acceptor.listeners() * BACKLOG as usize;
            self.take_in(waiting, now);
            self.close_listeners();
        }
    }

    /// Closes the listening sockets and the ways to the other workers, and tells the other workers.
    fn close_listeners(&mut self) {
        if let Source::Acceptor(acceptor) = mem::replace(&mut self.source, Source::Closed) {
            #[cfg(unix)]
            acceptor.deregister(self.poll.registry());
            // A worker that looks before its way is closed would sleep on, and never be told again.
            drop(acceptor);
            self.shared.wake_all();
        }
    }

    /// Does something to each connection, and gives it a turn.
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
            if let Some(connection) = self.connections.get_mut(key) {
                let bytes = connection.cut(&self.recorder, now);
                self.unfinished.connections += usize::from(bytes > 0);
                self.unfinished.bytes += bytes as u64;
                self.close(key);
            }
        }
    }
}
