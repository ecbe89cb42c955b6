//! One connection of a load, and the lines on it.

use std::collections::VecDeque;
use std::time::Instant;

use linecho_core::Probe;
use mio::net::TcpStream;

use super::Load;
use super::lines::Lines;
use super::schedule::Schedule;
use crate::Backends;
use crate::client::beginning::Beginning;
use crate::client::mismatch::Mismatch;
use crate::socket::Ready;

/// Lines in flight on a connection at most.
pub(super) const WINDOW: usize = 1024;

/// One connection, or the place for one.
pub(super) struct Place {
    pub(super) stream: Option<TcpStream>,
    pub(super) ready: Ready,
    pub(super) probe: Probe<Box<[u8]>, WINDOW>,
    lines: Lines,
    /// The times at which the lines in flight were due.
    pub(super) due: VecDeque<Instant>,
    /// With a rate: lines that are due and not sent.
    pub(super) waiting: VecDeque<Instant>,
    /// The time at which a byte last went either way while something was to come.
    pub(super) heard: Instant,
    pub(super) beginning: Beginning,
    /// The number of its server, once it has identified itself.
    pub(super) backend: Option<usize>,
    /// It is in the queue of places to serve.
    pub(super) queued: bool,
}

impl Place {
    pub(super) fn new(number: usize, load: &Load) -> Self {
        Self {
            stream: None,
            ready: Ready::NEW,
            probe: probe(0),
            lines: Lines::new(number, load.size),
            due: VecDeque::new(),
            waiting: VecDeque::new(),
            heard: Instant::now(),
            beginning: Beginning::default(),
            backend: None,
            queued: false,
        }
    }

    pub(super) fn open(&mut self, stream: TcpStream, load: &Load) {
        self.stream = Some(stream);
        self.ready = Ready::NEW;
        self.beginning = Beginning::default();
        self.backend = None;
        // Twice, so that room is made by moving little.
        self.probe = probe(2 * load.size * load.in_flight);
        self.heard = Instant::now();
    }

    /// Counts lines that came back for the server, if it has identified itself.
    pub(super) fn count_backend(&mut self, lines: u64, backends: &mut Backends) {
        if let Some(identity) = self.beginning.identity() {
            let connected = || backends.connected(&identity.backend);
            let number = *self.backend.get_or_insert_with(connected);
            backends.answered(number, lines);
        }
    }

    /// Shows what was due and what came in its place.
    pub(super) fn mismatch(&self, came: &[u8]) -> Mismatch {
        let place = self.probe.position();
        let mut before = Vec::new();
        if !self.due.is_empty() {
            if place.line > 1 {
                before = self.lines.before(self.due.len());
            }
            let line = self.lines.before(self.due.len() - 1);
            let right = usize::try_from(place.byte - 1).unwrap_or(usize::MAX);
            before.extend_from_slice(&line[..right.min(line.len())]);
        }
        Mismatch::new(place, &before, self.probe.expected(), came)
    }

    pub(super) fn can_send(&self, load: &Load, schedule: &Schedule) -> bool {
        let more = match schedule.has_rate() {
            true => !self.waiting.is_empty(),
            false => !schedule.is_done(),
        };
        more && self.due.len() < load.in_flight && self.probe.room() >= load.size
    }

    /// Queues the lines that may go now. Returns how many.
    pub(super) fn queue_lines(
        &mut self,
        now: Instant,
        load: &Load,
        schedule: &mut Schedule,
    ) -> u64 {
        let mut queued = 0;
        while self.can_send(load, schedule) {
            let due = match schedule.has_rate() {
                true => self.waiting.pop_front(),
                false => schedule.next(now),
            };
            let Some(due) = due else {
                break;
            };
            if self.probe.queue(self.lines.next()).is_err() {
                schedule.give_back();
                break;
            }
            if self.due.is_empty() {
                self.heard = now;
            }
            self.due.push_back(due);
            queued += 1;
        }
        queued
    }
}

fn probe(bytes: usize) -> Probe<Box<[u8]>, WINDOW> {
    Probe::new(vec![0; bytes].into_boxed_slice())
}
