//! The timetable of the search for passed deadlines.

use std::ops::Range;
use std::time::Duration;

use linecho_core::Instant;

/// The timetable of sweeps over all connections, which find deadlines that have passed.
///
/// A queue of deadlines would cost memory for each connection and work for each line. This keeps
/// one instant for all connections: no deadline comes before it. When it has come, a sweep gives
/// each connection a turn, and learns the earliest next deadline from them.
pub(crate) struct Sweep {
    /// The earliest deadline, apart from those of the slots that a running sweep has not seen.
    next: Option<Instant>,
    not_before: Instant,
    /// The slots that a running sweep has not seen.
    left: Range<usize>,
}

/// The most slots between two looks at the sockets, so that a sweep holds up nobody.
const SLOTS_PER_TURN: usize = 1024;

/// The pause between two sweeps, for each slot: they take a few percent of a core at the very most,
/// and end a session later than its deadline by 10 ms, or 200 ms with 100,000 connections.
const PAUSE_PER_SLOT: Duration = Duration::from_micros(2);
const SHORTEST_PAUSE: Duration = Duration::from_millis(10);

impl Sweep {
    pub(crate) fn new() -> Self {
        Self {
            next: None,
            not_before: Instant::ZERO,
            left: 0..0,
        }
    }

    /// Notes the deadline that a connection has now.
    #[inline]
    pub(crate) fn note(&mut self, deadline: Instant) {
        if self.next.is_none_or(|next| deadline < next) {
            self.next = Some(deadline);
        }
    }

    /// The time of the next call of [`slots`](Self::slots), whatever else happens.
    pub(crate) fn due(&self) -> Option<Instant> {
        if self.left.is_empty() {
            self.next.map(|next| next.max(self.not_before))
        } else {
            Some(Instant::ZERO)
        }
    }

    /// Returns the slots to give a turn now, out of `slots`.
    pub(crate) fn slots(&mut self, now: Instant, slots: usize) -> Range<usize> {
        if self.due().is_none_or(|due| due > now) {
            return 0..0;
        }
        if self.left.is_empty() {
            let pause = PAUSE_PER_SLOT.saturating_mul(u32::try_from(slots).unwrap_or(u32::MAX));
            self.not_before = now + pause.max(SHORTEST_PAUSE);
            self.next = None;
            self.left = 0..slots;
        }
        let end = self.left.end.min(self.left.start + SLOTS_PER_TURN);
        let turn = self.left.start..end;
        self.left.start = end;
        turn
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(millis: u64) -> Instant {
        Instant::from_millis(millis)
    }

    #[test]
    fn without_deadlines_there_is_no_sweep() {
        let mut sweep = Sweep::new();
        assert_eq!(sweep.due(), None);
        assert_eq!(sweep.slots(at(1_000_000), 5), 0..0);
    }

    #[test]
    fn it_comes_with_the_earliest_deadline_and_not_too_often() {
        let mut sweep = Sweep::new();
        sweep.note(at(70));
        sweep.note(at(50));
        sweep.note(at(60));
        assert_eq!(sweep.due(), Some(at(50)));
        assert_eq!(sweep.slots(at(49), 3), 0..0);
        assert_eq!(sweep.slots(at(50), 3), 0..3);
        assert_eq!(sweep.due(), None);
        sweep.note(at(55));
        assert_eq!(sweep.due(), Some(at(60)), "10 ms after the sweep before");
    }

    #[test]
    fn many_slots_are_seen_in_turns() {
        let mut sweep = Sweep::new();
        sweep.note(at(1));
        let mut seen = 0;
        while sweep.due().is_some() {
            let turn = sweep.slots(at(1), SLOTS_PER_TURN * 2 + 1);
            assert_eq!(turn.start, seen);
            assert!(turn.len() <= SLOTS_PER_TURN && !turn.is_empty());
            seen = turn.end;
        }
        assert_eq!(seen, SLOTS_PER_TURN * 2 + 1);
    }
}
