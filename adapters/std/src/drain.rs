//! The timetable of a shutdown.

use std::time::Duration;

use linecho_core::Instant;

/// The timetable of one worker's shutdown: input ends at half the drain timeout, everything at its
/// end. Without a timeout input ends, too, but what is held may take for ever to go.
pub(crate) struct Drain {
    /// From here on nothing more is read: a peer that never stops sending would not be done before
    /// the end, and lose lines then. `None` once the connections have been told.
    end_of_input: Option<Instant>,
    end: Option<Instant>,
}

/// The time until input ends if there is no timeout.
const INPUT_WITHOUT_TIMEOUT: Duration = Duration::from_millis(2500);

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
    pub(crate) fn new(now: Instant, timeout: Option<Duration>) -> Self {
        let input = timeout.map_or(INPUT_WITHOUT_TIMEOUT, |timeout| timeout / 2);
        Self {
            end_of_input: Some(now + input),
            end: timeout.map(|timeout| now + timeout),
        }
    }

    /// The time of the next action.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.end_of_input.or(self.end)
    }

    /// Returns the action that is due.
    pub(crate) fn step(&mut self, now: Instant) -> Step {
        if self.end.is_some_and(|end| now >= end) {
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

    const fn ms(millis: u64) -> Option<Duration> {
        Some(Duration::from_millis(millis))
    }

    #[test]
    fn input_ends_once_at_half_time_and_everything_at_the_end() {
        let mut drain = Drain::new(at(10), ms(100));
        assert_eq!(drain.due(), Some(at(60)));
        assert_eq!(drain.step(at(10)), Step::Wait);
        assert_eq!(drain.step(at(59)), Step::Wait);
        assert_eq!(drain.step(at(60)), Step::EndInput);
        assert_eq!(drain.step(at(60)), Step::Wait);
        assert_eq!(drain.due(), Some(at(110)));
        assert_eq!(drain.step(at(109)), Step::Wait);
        assert_eq!(drain.step(at(110)), Step::Cut);
        assert_eq!(drain.step(at(111)), Step::Cut, "until all is gone");
    }

    #[test]
    fn a_late_look_does_not_end_input_first() {
        assert_eq!(Drain::new(at(0), ms(100)).step(at(500)), Step::Cut);
    }

    #[test]
    fn without_a_timeout_input_ends_and_nothing_is_cut() {
        let mut drain = Drain::new(at(7), None);
        let due = drain.due().unwrap();
        assert_eq!(drain.step(due), Step::EndInput);
        assert_eq!(drain.due(), None);
        assert_eq!(drain.step(Instant::from_micros(u64::MAX)), Step::Wait);
    }
}
