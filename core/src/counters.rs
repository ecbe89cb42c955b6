//! Counters of a session, and of all sessions of a server.

use crate::Reason;

/// Counts what one session has done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct Counters {
    /// Bytes taken from the peer.
    pub bytes_in: u64,
    /// Bytes that went back to the peer.
    pub bytes_out: u64,
    /// Lines whose `\n` arrived, the discarded ones not counted.
    pub lines: u64,
    /// Lines that did not fit in the buffer, each counted once, whatever the policy.
    pub overlong: u64,
}

impl Counters {
    /// Adds what another session did.
    pub fn add(&mut self, other: &Self) {
        self.bytes_in = self.bytes_in.wrapping_add(other.bytes_in);
        self.bytes_out = self.bytes_out.wrapping_add(other.bytes_out);
        self.lines = self.lines.wrapping_add(other.lines);
        self.overlong = self.overlong.wrapping_add(other.overlong);
    }
}

/// Counts what a server has done so far: sessions opened, sessions ended by [`Reason`], and the sum
/// of the counters of those that ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct Totals {
    /// Sessions that began.
    pub opened: u64,
    /// Sessions that ended with [`Reason::PeerClosed`].
    pub peer_closed: u64,
    /// Sessions that ended with [`Reason::Idle`].
    pub idle: u64,
    /// Sessions that ended with [`Reason::WriteStalled`].
    pub write_stalled: u64,
    /// Sessions that ended with [`Reason::LineTooLong`].
    pub line_too_long: u64,
    /// Sessions that ended with [`Reason::Reset`].
    pub reset: u64,
    /// Sessions that ended with [`Reason::Failed`].
    pub failed: u64,
    /// Sessions that ended with [`Reason::Shutdown`].
    pub shutdown: u64,
    /// The sum over the sessions that ended.
    pub counters: Counters,
}

impl Totals {
    /// Counts a session that begins.
    pub fn open(&mut self) {
        self.opened = self.opened.wrapping_add(1);
    }

    /// Counts a session that ended.
    pub fn close(&mut self, reason: Reason, counters: &Counters) {
        let by_reason = match reason {
            Reason::PeerClosed => &mut self.peer_closed,
            Reason::Idle => &mut self.idle,
            Reason::WriteStalled => &mut self.write_stalled,
            Reason::LineTooLong => &mut self.line_too_long,
            Reason::Reset => &mut self.reset,
            Reason::Failed(_) => &mut self.failed,
            Reason::Shutdown => &mut self.shutdown,
        };
        *by_reason = by_reason.wrapping_add(1);
        self.counters.add(counters);
    }

    /// Sessions that ended, for any reason.
    #[must_use]
    pub fn closed(&self) -> u64 {
        [
            self.peer_closed,
            self.idle,
            self.write_stalled,
            self.line_too_long,
            self.reset,
            self.failed,
            self.shutdown,
        ]
        .into_iter()
        .fold(0, u64::wrapping_add)
    }

    /// Adds what another server, or another worker of the same one, did.
    pub fn add(&mut self, other: &Self) {
        self.opened = self.opened.wrapping_add(other.opened);
        self.peer_closed = self.peer_closed.wrapping_add(other.peer_closed);
        self.idle = self.idle.wrapping_add(other.idle);
        self.write_stalled = self.write_stalled.wrapping_add(other.write_stalled);
        self.line_too_long = self.line_too_long.wrapping_add(other.line_too_long);
        self.reset = self.reset.wrapping_add(other.reset);
        self.failed = self.failed.wrapping_add(other.failed);
        self.shutdown = self.shutdown.wrapping_add(other.shutdown);
        self.counters.add(&other.counters);
    }
}

#[cfg(test)]
mod tests {
    use embedded_io::ErrorKind;

    use super::*;

    /// Each field has another value, so that none can be taken for another.
    const COUNTERS: Counters = Counters {
        bytes_in: 1,
        bytes_out: 2,
        lines: 3,
        overlong: 4,
    };

    #[test]
    fn each_reason_is_counted_as_itself() {
        let mut totals = Totals::default();
        let reasons = [
            Reason::PeerClosed,
            Reason::Idle,
            Reason::WriteStalled,
            Reason::LineTooLong,
            Reason::Reset,
            Reason::Failed(ErrorKind::Other),
            Reason::Shutdown,
        ];
        for (times, reason) in (1..).zip(reasons) {
            for _ in 0..times {
                totals.open();
                totals.close(reason, &COUNTERS);
            }
        }
        totals.open();
        let counters = Counters {
            bytes_in: 28,
            bytes_out: 56,
            lines: 84,
            overlong: 112,
        };
        let expected = Totals {
            opened: 29,
            peer_closed: 1,
            idle: 2,
            write_stalled: 3,
            line_too_long: 4,
            reset: 5,
            failed: 6,
            shutdown: 7,
            counters,
        };
        assert_eq!((totals, totals.closed()), (expected, 28));

        let mut twice = totals;
        twice.add(&totals);
        let doubled = Totals {
            opened: 58,
            peer_closed: 2,
            idle: 4,
            write_stalled: 6,
            line_too_long: 8,
            reset: 10,
            failed: 12,
            shutdown: 14,
            counters: Counters {
                bytes_in: 56,
                bytes_out: 112,
                lines: 168,
                overlong: 224,
            },
        };
        assert_eq!((twice, twice.closed()), (doubled, 56));
    }
}
