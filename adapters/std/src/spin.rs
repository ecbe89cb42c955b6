//! Asking for events for a while before sleeping.

use std::time::Duration;

use linecho_core::Instant;

/// A worker's spin after its last event.
///
/// A thread that sleeps is woken for the next line, which takes longer than to echo it. One that
/// asks again and again finds the line at once, and has its core busy meanwhile.
pub(crate) struct Spin {
    time: Duration,
    until: Instant,
}

impl Spin {
    /// Spins for this time, or never where more `workers` than `cores` would take the cores from
    /// one another.
    pub(crate) fn new(time: Duration, workers: usize, cores: usize) -> Self {
        let is_allowed = workers <= cores;
        Self {
            time: if is_allowed { time } else { Duration::ZERO },
            until: Instant::ZERO,
        }
    }

    /// Notes that the events which came last are served.
    #[inline]
    pub(crate) fn served(&mut self, now: Instant) {
        self.until = now + self.time;
    }

    /// Returns `true` if the worker asks again instead of sleeping.
    #[inline]
    pub(crate) fn goes_on(&self, now: Instant) -> bool {
        now < self.until
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIME: Duration = Duration::from_micros(50);

    const fn at(micros: u64) -> Instant {
        Instant::from_micros(micros)
    }

    #[test]
    fn it_goes_on_after_events_only() {
        let mut spin = Spin::new(TIME, 1, 1);
        assert!(!spin.goes_on(at(0)));
        spin.served(at(100));
        assert!(spin.goes_on(at(100)) && spin.goes_on(at(149)));
        assert!(!spin.goes_on(at(150)));
        spin.served(at(140));
        assert!(spin.goes_on(at(189)) && !spin.goes_on(at(190)));
    }

    #[test]
    fn more_workers_than_cores_never_spin() {
        for (workers, cores, spins) in [(1, 1, true), (4, 4, true), (2, 1, false), (5, 4, false)] {
            let mut spin = Spin::new(TIME, workers, cores);
            spin.served(at(100));
            assert_eq!(spin.goes_on(at(101)), spins, "{workers} on {cores}");
        }
    }

    #[test]
    fn no_time_is_no_spin() {
        let mut spin = Spin::new(Duration::ZERO, 1, 2);
        spin.served(at(100));
        assert!(!spin.goes_on(at(100)));
    }
}
