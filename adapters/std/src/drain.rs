//! The timetable of a shutdown.

use std::time::Duration;

use linecho_core::Instant;

/// The timetable of one worker's shutdown: input ends at half the drain timeout, everything at its
/// end.
pub(crate) struct Drain {
    /// From here on nothing more is read: a peer that never stops sending would not be done before
    /// the end, and lose lines then. `None` once the connections have been told.
    end_of_input: Option<Instant>,
    end: Instant,
}

/// The action that is due in a shutdown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Nothing.
    Wait,
    /// Have every session read nothing more and send what it holds. Due once.
    EndInput,
    /// Cut off what is left.
    Cut,
}

impl Drain {
    /// A drain that begins `now` and lasts at most `timeout`.
    pub(crate) fn new(now: Instant, timeout: Duration) -> Self {
        Self {
            end_of_input: Some(now + timeout / 2),
            end: now + timeout,
        }
    }

    /// The time of the next action.
    pub(crate) fn due(&self) -> Instant {
        self.end_of_input.unwrap_or(self.end)
    }

    /// Returns the action that is due.
    pub(crate) fn step(&mut self, now: Instant) -> Step {
        if now >= self.end {
            return Step::Cut;
        }
        if self.end_of_input.is_some_and(|limit| now >= limit) {
            self.end_of_input = None;
            return Step::EndInput;
        }
        Step::Wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(millis: u64) -> Instant {
        Instant::from_millis(millis)
    }

    #[test]
    fn input_ends_once_at_half_time_and_everything_at_the_end() {
        let mut drain = Drain::new(at(10), Duration::from_millis(100));
        assert_eq!(drain.due(), at(60));
        assert_eq!(drain.step(at(10)), Step::Wait);
        assert_eq!(drain.step(at(59)), Step::Wait);
        assert_eq!(drain.step(at(60)), Step::EndInput);
        assert_eq!(drain.step(at(60)), Step::Wait);
        assert_eq!(drain.due(), at(110));
        assert_eq!(drain.step(at(109)), Step::Wait);
        assert_eq!(drain.step(at(110)), Step::Cut);
        assert_eq!(drain.step(at(111)), Step::Cut, "until all is gone");
    }

    #[test]
    fn a_late_look_does_not_end_input_first() {
        let mut drain = Drain::new(at(0), Duration::from_millis(100));
        assert_eq!(drain.step(at(500)), Step::Cut);
    }

    #[test]
    fn without_time_everything_is_cut_at_once() {
        assert_eq!(Drain::new(at(7), Duration::ZERO).step(at(7)), Step::Cut);
    }
}
