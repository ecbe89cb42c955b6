//! The time of day for a stack.

use std::time::{self, SystemTime};

use linecho_smoltcp::Instant;

/// Counts from 1970, as captures show the time, and never goes back, whatever is done to the clock
/// of the machine.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    started: time::Instant,
    started_at: Instant,
}

impl Clock {
    /// Starts at the time of day.
    #[must_use]
    pub fn start() -> Self {
        let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        Self {
            started: time::Instant::now(),
            started_at: Instant::ZERO + since_1970.unwrap_or_default(),
        }
    }

    /// Returns the time.
    #[must_use]
    pub fn now(&self) -> Instant {
        self.started_at + self.started.elapsed()
    }
}
