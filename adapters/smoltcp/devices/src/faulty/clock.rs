//! The time of a link in memory.

use core::time::Duration;
use std::error::Error;
use std::fmt;

use smoltcp::time::Instant;

/// More turns than anybody needs at one instant.
const TURNS_AT_ONE_INSTANT: u32 = 100_000;

/// A clock that jumps to what happens next.
#[derive(Debug, Clone, Copy)]
pub struct VirtualClock {
    now: Instant,
    turns_at_now: u32,
}

/// Somebody wants another turn at once, again and again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Busy {
    /// The time that does not pass.
    pub now: Instant,
}

impl fmt::Display for Busy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "somebody spins at {}", self.now)
    }
}

impl Error for Busy {}

impl VirtualClock {
    /// Makes a clock that shows `now`.
    #[must_use]
    pub const fn new(now: Instant) -> Self {
        Self {
            now,
            turns_at_now: 0,
        }
    }

    /// Returns the time.
    #[must_use]
    pub const fn now(&self) -> Instant {
        self.now
    }

    /// Jumps to the earliest of `deadlines`, at most `longest` ahead. One that is due already
    /// leaves the clock as it is.
    ///
    /// # Errors
    ///
    /// When the clock stands still for far more turns than anybody needs.
    pub fn pass(
        &mut self,
        deadlines: impl IntoIterator<Item = Option<Instant>>,
        longest: Duration,
    ) -> Result<(), Busy> {
        let latest = self.now + longest.into();
        let next = deadlines.into_iter().flatten().fold(latest, Instant::min);
        if next > self.now {
            *self = Self::new(next);
            return Ok(());
        }
        self.turns_at_now += 1;
        if self.turns_at_now > TURNS_AT_ONE_INSTANT {
            return Err(Busy { now: self.now });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn time_jumps_to_what_comes_first() {
        let mut clock = VirtualClock::new(Instant::ZERO);
        let mut pass = |deadlines: &[Option<i64>]| {
            let deadlines = deadlines.iter().map(|at| at.map(Instant::from_millis));
            clock.pass(deadlines, SECOND).unwrap();
            clock.now().total_millis()
        };
        assert_eq!(pass(&[]), 1000);
        assert_eq!(pass(&[None, Some(1020), Some(1005)]), 1005);
        assert_eq!(pass(&[Some(1005), Some(1010)]), 1005);
        assert_eq!(pass(&[Some(9000), None]), 2005);
    }

    #[test]
    fn who_spins_is_found() {
        let mut clock = VirtualClock::new(Instant::ZERO);
        let mut turns = 0;
        let busy = loop {
            match clock.pass([Some(Instant::ZERO)], SECOND) {
                Ok(()) => turns += 1,
                Err(busy) => break busy,
            }
        };
        assert_eq!((turns, busy.now), (TURNS_AT_ONE_INSTANT, Instant::ZERO));
    }
}
