//! A schedule of lines: by a rate, or as soon as there is room.

use std::time::{Duration, Instant};

/// Lines that are due, in order.
#[derive(Debug)]
pub(super) struct Schedule {
    began: Instant,
    /// The time from one line to the next, in nanoseconds; none without a rate.
    step: Option<f64>,
    /// The most lines that there may be.
    most: Option<u64>,
    /// The number of lines that were given out.
    given: u64,
}

impl Schedule {
    pub(super) fn new(began: Instant, rate: Option<f64>, most: Option<u64>) -> Self {
        Self {
            began,
            step: rate.map(|rate| 1e9 / rate),
            most,
            given: 0,
        }
    }

    pub(super) fn has_rate(&self) -> bool {
        self.step.is_some()
    }

    /// Gives out the next line, if it is due: the time when it became due.
    pub(super) fn next(&mut self, now: Instant) -> Option<Instant> {
        if self.is_done() {
            return None;
        }
        let due = match self.step {
            None => now,
            Some(_) => self.next_due(),
        };
        (due <= now).then(|| {
            self.given += 1;
            due
        })
    }

    /// The time when the next line is due by the rate.
    pub(super) fn next_due(&self) -> Instant {
        let step = self.step.unwrap_or_default();
        self.began + Duration::from_nanos((step * self.given as f64) as u64)
    }

    /// True if all lines were given out.
    pub(super) fn is_done(&self) -> bool {
        self.most.is_some_and(|most| self.given >= most)
    }

    /// Takes a line back that was not sent.
    pub(super) fn give_back(&mut self) {
        self.given -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_kept_whatever_happens_in_between() {
        let began = Instant::now();
        let mut schedule = Schedule::new(began, Some(1000.0), None);
        assert_eq!(schedule.next(began), Some(began));
        assert_eq!(schedule.next(began), None);
        let later = began + Duration::from_millis(10);
        let due: Vec<_> = std::iter::from_fn(|| schedule.next(later)).collect();
        assert_eq!(due.len(), 10);
        assert_eq!(due[0], began + Duration::from_millis(1));
        assert_eq!(schedule.next_due(), began + Duration::from_millis(11));
    }

    #[test]
    fn without_a_rate_lines_are_due_at_once_until_there_are_enough() {
        let began = Instant::now();
        let mut schedule = Schedule::new(began, None, Some(2));
        assert_eq!(schedule.next(began), Some(began));
        schedule.give_back();
        assert!(schedule.next(began).is_some() && schedule.next(began).is_some());
        assert_eq!(schedule.next(began), None);
        assert!(schedule.is_done());
    }
}
