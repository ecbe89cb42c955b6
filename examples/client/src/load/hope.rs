//! The end of a load whose server is gone.

use std::time::Duration;

use linecho_examples::words::counted;
use linecho_std::load::LoadStats;

use super::main_cause;
use crate::failure::Failure;

/// The hope that a server will come back. Without it, a number of lines that are to be sent would
/// make connections for ever to a server that is gone.
pub(super) struct Hope {
    limit: Duration,
    connections: u64,
    /// As of the last line that came back.
    lines: u64,
    since: Duration,
    failed_before: u64,
    /// As of the last look.
    failed: u64,
    pub(super) has_ended: bool,
}

impl Hope {
    pub(super) fn new(limit: Duration, connections: u32) -> Self {
        Self {
            limit,
            connections: connections.into(),
            lines: 0,
            since: Duration::ZERO,
            failed_before: 0,
            failed: 0,
            has_ended: false,
        }
    }

    /// Returns `true` once, when no line has come back for too long, every connection has failed
    /// meanwhile, and one fails again. Silence alone is no reason: at a low rate no line may be
    /// due.
    pub(super) fn ends(&mut self, stats: &LoadStats) -> bool {
        let fails = stats.failed() > self.failed;
        self.failed = stats.failed();
        if stats.lines != self.lines {
            (self.lines, self.since) = (stats.lines, stats.elapsed);
            self.failed_before = self.failed;
        }
        let all_fail = fails && self.failed - self.failed_before > self.connections;
        let is_over = stats.elapsed.saturating_sub(self.since) >= self.limit;
        let ends = all_fail && is_over && !self.limit.is_zero() && !self.has_ended;
        self.has_ended |= ends;
        ends
    }

    pub(super) fn failure(&self, stats: &LoadStats) -> Failure {
        Failure {
            cause: main_cause(stats),
            text: format!(
                "gave up when no line had come back for {:?}; {}, the first: {}",
                self.limit,
                counted(stats.failed(), "failure"),
                stats.first_failure.as_deref().unwrap_or_default()
            ),
        }
    }
}
