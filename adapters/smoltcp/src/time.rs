//! The two clocks: that of linecho, and that of smoltcp.

use linecho_core::Instant;
use smoltcp::time::Instant as StackInstant;

/// Converts a time for smoltcp: for `Interface::new` and for other sockets.
#[must_use]
pub fn stack_time(at: Instant) -> StackInstant {
    StackInstant::from_micros(i64::try_from(at.as_micros()).unwrap_or(i64::MAX))
}

/// Converts a time of smoltcp, such as that of `Interface::poll_at`; one before zero becomes zero.
#[must_use]
pub fn from_stack_time(at: StackInstant) -> Instant {
    Instant::from_micros(u64::try_from(at.total_micros()).unwrap_or(0))
}

/// Returns the earlier of two deadlines, each of which may be missing.
#[inline]
pub(crate) fn earlier(a: Option<Instant>, b: Option<Instant>) -> Option<Instant> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_convert_both_ways_and_saturate() {
        for micros in [0, 1, 1_000_001, i64::MAX as u64] {
            let at = Instant::from_micros(micros);
            assert_eq!(from_stack_time(stack_time(at)), at);
        }
        let last = stack_time(Instant::from_micros(u64::MAX));
        assert_eq!(last.total_micros(), i64::MAX);
        assert_eq!(
            from_stack_time(StackInstant::from_micros(-1)),
            Instant::ZERO
        );
    }
}
