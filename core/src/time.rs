//! Time, as the caller tells it.

use core::ops::Add;
use core::time::Duration;

/// A point in time in microseconds since any fixed point that the caller chooses, for example the
/// start of the program. It must not go backwards. 64 bits last for 584,000 years.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Instant(u64);

impl Instant {
    /// The fixed point itself.
    pub const ZERO: Self = Self(0);

    /// Returns the instant `micros` microseconds after the fixed point.
    #[must_use]
    pub const fn from_micros(micros: u64) -> Self {
        Self(micros)
    }

    /// Returns the instant `millis` milliseconds after the fixed point.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis.saturating_mul(1000))
    }

    /// Returns the microseconds since the fixed point.
    #[must_use]
    pub const fn as_micros(self) -> u64 {
        self.0
    }

    /// Returns the time from `earlier` to this instant; zero if `earlier` is later.
    #[must_use]
    pub const fn saturating_duration_since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }

    pub(crate) const fn plus_millis(self, millis: u32) -> Self {
        Self(self.0.saturating_add(millis as u64 * 1000))
    }
}

impl Add<Duration> for Instant {
    type Output = Self;

    /// Returns the instant `duration` later, in whole microseconds; the last instant there is if
    /// that is beyond it, or the duration longer than 136 years.
    // Out of line: it spares flash, and deadlines are no hot path.
    #[inline(never)]
    fn add(self, duration: Duration) -> Self {
        // One multiplication of 32 bits: those of 128 bits in `as_micros` take much flash.
        let Ok(seconds) = u32::try_from(duration.as_secs()) else {
            return Self(u64::MAX);
        };
        let micros = u64::from(seconds) * 1_000_000 + u64::from(duration.subsec_micros());
        Self(self.0.saturating_add(micros))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_added_in_whole_microseconds_and_saturate() {
        let at = Instant::from_micros(7);
        assert_eq!(at + Duration::from_nanos(2_999), Instant::from_micros(9));
        assert_eq!((at + Duration::new(3, 4_000)).as_micros(), 3_000_011);
        for far in [Duration::MAX, Duration::from_secs(1 << 32)] {
            assert_eq!((at + far).as_micros(), u64::MAX);
        }
        let last = Instant::from_micros(u64::MAX);
        assert_eq!(last + Duration::from_secs(1), last);
        assert_eq!(Instant::from_millis(u64::MAX), last);
        assert_eq!(last.plus_millis(1), last);
    }

    #[test]
    fn no_time_passes_from_later_to_earlier() {
        let (early, late) = (Instant::from_micros(5), Instant::from_millis(2));
        let passed = late.saturating_duration_since(early);
        assert_eq!(passed, Duration::from_micros(1_995));
        assert_eq!(early.saturating_duration_since(late), Duration::ZERO);
    }
}
