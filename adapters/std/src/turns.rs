//! The lengths of a worker's turns.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use linecho_core::Instant;

/// The seconds that are remembered.
const SECONDS: u64 = 15;

/// The longest of the turns that ended in each of the last seconds: the second in the upper half of
/// a slot, microseconds in the lower. Only the worker writes it.
#[derive(Debug, Default)]
pub(crate) struct Turns([AtomicU64; SECONDS as usize]);

impl Turns {
    /// Notes a turn.
    #[inline]
    pub(crate) fn note(&self, began: Instant, ended: Instant) {
        let length = ended.saturating_duration_since(began).as_micros();
        let length = u32::try_from(length).unwrap_or(u32::MAX);
        let second = second(ended);
        let slot = &self.0[(second % SECONDS) as usize];
        let turn = second << 32 | u64::from(length);
        let longest = slot.load(Relaxed);
        // A later second is a larger number, too.
        if turn > longest {
            slot.store(turn, Relaxed);
        }
    }

    /// Returns the longest of the turns that ended in this second and the 14 before it.
    pub(crate) fn longest(&self, now: Instant) -> Duration {
        let since = second(now).saturating_sub(SECONDS - 1);
        let slots = self.0.iter().map(|slot| slot.load(Relaxed));
        let recent = slots.filter(|turn| turn >> 32 >= since);
        let longest = recent.map(|turn| turn & u64::from(u32::MAX)).max();
        Duration::from_micros(longest.unwrap_or(0))
    }
}

fn second(time: Instant) -> u64 {
    time.as_micros() / 1_000_000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_turn_is_forgotten_after_fifteen_seconds() {
        let turns = Turns::default();
        let at = Instant::from_millis;
        assert_eq!(turns.longest(at(0)), Duration::ZERO);
        for (began, ended) in [(0, 3), (5_000, 5_070), (5_100, 5_140), (9_000, 9_001)] {
            turns.note(at(began), at(ended));
        }
        for (now, longest) in [(9_500, 70), (19_999, 70), (20_000, 1), (24_000, 0)] {
            assert_eq!(
                turns.longest(at(now)),
                Duration::from_millis(longest),
                "{now}"
            );
        }
        // A slot serves again.
        turns.note(at(20_000), at(20_002));
        assert_eq!(turns.longest(at(20_500)), Duration::from_millis(2));
    }
}
