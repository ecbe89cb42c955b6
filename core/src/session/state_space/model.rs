//! A session that is too plain to be wrong.

use std::vec::Vec;

use embedded_io::ErrorKind;

use crate::{Counters, LongLines, Reason};

/// The contract of a session, without a buffer.
#[derive(Clone, Debug)]
pub(super) struct Model {
    pub(super) policy: LongLines,
    pub(super) timeouts: (Option<u64>, Option<u64>),
    pub(super) capacity: usize,
    /// The value of the next byte that is no newline: one of two, in turn.
    pub(super) odd: bool,
    pub(super) ready: Vec<u8>,
    pub(super) line: Vec<u8>,
    /// The line that comes in did not fit.
    pub(super) is_long: bool,
    pub(super) unflushed: bool,
    pub(super) shutting_down: bool,
    pub(super) reason: Option<Reason>,
    pub(super) progressed: bool,
    /// Milliseconds since the last progress.
    pub(super) age: u64,
}

impl Model {
    pub(super) fn is_writing(&self) -> bool {
        !self.ready.is_empty() || self.unflushed
    }

    pub(super) fn ended(&self) -> Option<Reason> {
        self.reason.filter(|_| !self.is_writing())
    }

    pub(super) fn held(&self) -> Vec<u8> {
        [&self.ready[..], &self.line].concat()
    }

    pub(super) fn deadline(&self) -> Option<(u64, Reason)> {
        let (idle, write) = self.timeouts;
        let write = write.filter(|_| self.is_writing());
        let deadlines = [
            write.map(|millis| (millis, Reason::WriteStalled)),
            idle.map(|millis| (millis, Reason::Idle)),
        ];
        let first = deadlines.into_iter().flatten().min_by_key(|it| it.0);
        first.filter(|_| self.ended().is_none())
    }

    pub(super) fn next_byte(&mut self, newline: bool) -> u8 {
        if newline {
            return b'\n';
        }
        self.odd = !self.odd;
        if self.odd { b'a' } else { b'b' }
    }

    pub(super) fn receive(&mut self, bytes: &[u8], counters: &mut Counters) {
        let was_writing = !self.ready.is_empty();
        for &byte in bytes {
            counters.bytes_in += 1;
            let dropping = self.is_long && self.policy == LongLines::Discard;
            if byte == b'\n' {
                if !dropping {
                    self.line.push(byte);
                    self.ready.append(&mut self.line);
                    counters.lines += 1;
                }
                self.is_long = false;
            } else if !dropping {
                self.line.push(byte);
                if self.line.len() == self.capacity {
                    self.line_does_not_fit(counters);
                }
            }
        }
        self.progressed |= !was_writing && !self.ready.is_empty();
    }

    fn line_does_not_fit(&mut self, counters: &mut Counters) {
        counters.overlong += u64::from(!self.is_long);
        self.is_long = true;
        match self.policy {
            LongLines::Flush => self.ready.append(&mut self.line),
            LongLines::Discard => self.line.clear(),
            LongLines::Close => {
                self.line.clear();
                self.reason = Some(Reason::LineTooLong);
            }
        }
    }

    pub(super) fn send(&mut self, n: usize, counters: &mut Counters) {
        let n = n.min(self.ready.len());
        self.ready.drain(..n);
        counters.bytes_out += n as u64;
        self.progressed |= n > 0;
    }

    pub(super) fn end_of_input(&mut self) {
        if self.reason.is_none() {
            self.progressed |= self.ready.is_empty();
            self.ready.append(&mut self.line);
            let reasons = [Reason::PeerClosed, Reason::Shutdown];
            self.reason = Some(reasons[usize::from(self.shutting_down)]);
        }
    }

    pub(super) fn read_failed(&mut self, kind: ErrorKind) {
        if kind == ErrorKind::ConnectionReset {
            self.end(Reason::Reset);
        } else if self.reason.is_none() {
            self.line.clear();
            self.reason = Some(Reason::Failed(kind));
        }
    }

    pub(super) fn end(&mut self, reason: Reason) {
        if self.ended().is_none() {
            self.ready.clear();
            self.line.clear();
            self.unflushed = false;
            let failed = matches!(self.reason, Some(Reason::Failed(_)));
            self.reason = self.reason.filter(|_| failed).or(Some(reason));
        }
    }

    pub(super) fn tick(&mut self, millis: u64) {
        // Longer than the longest timeout is all the same.
        self.age = (self.age + millis).min(3);
        if std::mem::take(&mut self.progressed) {
            self.age = 0;
        }
        if let Some((_, reason)) = self.deadline().filter(|it| self.age >= it.0) {
            self.end(reason);
        }
    }

    /// Returns true if storage of that length is refused.
    pub(super) fn refuses(&self, length: usize) -> bool {
        let unfinished_only = self.ready.is_empty() && !self.line.is_empty();
        self.held().len() + usize::from(unfinished_only) > length
    }
}
