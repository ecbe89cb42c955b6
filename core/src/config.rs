//! The policy and the deadlines of a session.

use core::time::Duration;

/// The policy for a line that does not fit in the session's buffer, its `\n` included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum LongLines {
    /// A full buffer goes back as it is, without waiting for the `\n`: the rule of stdio's `_IOLBF`
    /// (C's `setvbuf`). Every byte is echoed.
    #[default]
    Flush,
    /// The line is dropped, up to and including its `\n`, and counted. The next line is whole
    /// again.
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
///     .idle_timeout(Some(Duration::from_secs(300)))
///     .write_timeout(Some(Duration::from_secs(30)));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Config {
    pub(crate) long_lines: LongLines,
    // Milliseconds in 32 bits, or `NEVER`: a connection that is idle should be small.
    pub(crate) idle_ms: u32,
    pub(crate) write_ms: u32,
}

impl Config {
    /// No deadline.
    pub(crate) const NEVER: u32 = u32::MAX;

    /// [`LongLines::Flush`] and no deadlines.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            long_lines: LongLines::Flush,
            idle_ms: Self::NEVER,
            write_ms: Self::NEVER,
        }
    }

    /// Sets the policy for lines that do not fit in the buffer.
    #[must_use]
    pub const fn long_lines(mut self, policy: LongLines) -> Self {
        self.long_lines = policy;
        self
    }

    /// Ends a session with [`Reason::Idle`](crate::Reason::Idle) when nothing has gone through for
    /// this long: no byte went back, and none became ready to while no other waited. Bytes that
    /// only lengthen an unfinished line, or the output that a peer does not read, do not count.
    ///
    /// Kept in whole milliseconds, rounded up, from 1 ms to 49 days; `None` means no deadline.
    #[must_use]
    pub const fn idle_timeout(mut self, timeout: Option<Duration>) -> Self {
        self.idle_ms = whole_millis(timeout);
        self
    }

    /// Ends a session with [`Reason::WriteStalled`](crate::Reason::WriteStalled) when output has
    /// been ready for this long and the peer took none of it.
    ///
    /// Kept in whole milliseconds, rounded up, from 1 ms to 49 days; `None` means no deadline.
    #[must_use]
    pub const fn write_timeout(mut self, timeout: Option<Duration>) -> Self {
        self.write_ms = whole_millis(timeout);
        self
    }
}

/// The same as [`Config::new`].
impl Default for Config {
    fn default() -> Self {
        Self::new()
    }
}

const fn whole_millis(timeout: Option<Duration>) -> u32 {
    let Some(timeout) = timeout else {
        return Config::NEVER;
    };
    match timeout.as_nanos().div_ceil(1_000_000) {
        0 => 1,
        millis if millis < Config::NEVER as u128 => millis as u32,
        _ => Config::NEVER - 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_round_up_and_saturate() {
        assert_eq!(whole_millis(None), Config::NEVER);
        assert_eq!(Config::default(), Config::new());
        for (timeout, millis) in [
            (Duration::ZERO, 1),
            (Duration::from_nanos(1), 1),
            (Duration::from_micros(1001), 2),
            (Duration::from_millis(7), 7),
            (Duration::from_millis(u64::from(u32::MAX)), u32::MAX - 1),
            (Duration::MAX, u32::MAX - 1),
        ] {
            assert_eq!(whole_millis(Some(timeout)), millis);
        }
    }
}
