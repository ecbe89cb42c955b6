//! What a session is told when it begins.

use core::time::Duration;

/// What happens to a line that does not fit in the session's buffer, its `\n` included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum LongLines {
    /// A full buffer goes back as it is, without waiting for the `\n`: the rule of stdio's `_IOLBF`
    /// (C's `setvbuf`). Every byte is echoed.
    #[default]
    Flush,
    /// The line is dropped, up to and including its `\n`, and counted. The next line is whole again.
    Discard,
    /// The session ends with [`Reason::LineTooLong`](crate::Reason::LineTooLong), after the lines
    /// before the long one have gone back.
    Close,
}

/// The policy and the deadlines of a session.
///
/// ```
/// use core::time::Duration;
/// use linecho_core::{Config, LongLines};
///
/// const CONFIG: Config = Config::new()
///     .long_lines(LongLines::Discard)
///     .idle_timeout(Duration::from_secs(300))
///     .write_timeout(Duration::from_secs(30));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Config {
    pub(crate) long_lines: LongLines,
    // Milliseconds in 32 bits, 0 for none: a connection that is idle should be small.
    pub(crate) idle_ms: u32,
    pub(crate) write_ms: u32,
}

impl Config {
    /// [`LongLines::Flush`] and no deadlines.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            long_lines: LongLines::Flush,
            idle_ms: 0,
            write_ms: 0,
        }
    }

    /// What happens to a line that does not fit in the buffer.
    #[must_use]
    pub const fn long_lines(mut self, policy: LongLines) -> Self {
        self.long_lines = policy;
        self
    }

    /// Ends a session with [`Reason::Idle`](crate::Reason::Idle) when for this long no byte went
    /// back and none became ready to. Bytes that only lengthen an unfinished line do not count.
    ///
    /// Kept in whole milliseconds, rounded up, at most 49 days; zero means no deadline.
    #[must_use]
    pub const fn idle_timeout(mut self, timeout: Duration) -> Self {
        self.idle_ms = whole_millis(timeout);
        self
    }

    /// Ends a session with [`Reason::WriteStalled`](crate::Reason::WriteStalled) when output has
    /// been ready for this long and the peer took none of it.
    ///
    /// Kept in whole milliseconds, rounded up, at most 49 days; zero means no deadline.
    #[must_use]
    pub const fn write_timeout(mut self, timeout: Duration) -> Self {
        self.write_ms = whole_millis(timeout);
        self
    }
}

const fn whole_millis(timeout: Duration) -> u32 {
    let millis = timeout.as_nanos().div_ceil(1_000_000);
    if millis > u32::MAX as u128 {
        u32::MAX
    } else {
        millis as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_round_up_and_saturate() {
        assert_eq!(whole_millis(Duration::ZERO), 0);
        assert_eq!(whole_millis(Duration::from_nanos(1)), 1);
        assert_eq!(whole_millis(Duration::from_millis(7)), 7);
        assert_eq!(whole_millis(Duration::MAX), u32::MAX);
    }
}
