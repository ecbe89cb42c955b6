//! What carries the frames, and what it has to say for itself.

use std::os::fd::AsFd;

use linecho_devices::{FramedStream, Tap};
use linecho_smoltcp::smoltcp::phy::Device;

/// A device with a file descriptor to sleep on.
pub(crate) trait Carrier: Device + AsFd {
    /// What it is.
    fn name(&self) -> String;

    /// Whether frames wait until the file descriptor can be written.
    fn is_blocked(&self) -> bool;

    /// Takes a turn of the stack, whose frames may leave at its end.
    fn batch<R>(&mut self, turn: impl FnOnce(&mut Self) -> R) -> R {
        turn(self)
    }

    /// What has ended it for good.
    fn failure(&self) -> Option<String>;

    /// Frames received, sent, and lost by cause.
    fn frames(&self) -> Vec<(&'static str, u64)>;
}

impl Carrier for Tap {
    fn name(&self) -> String {
        let offload = match self.is_offloaded() {
            true => "offloaded",
            false => "without offload",
        };
        format!("TAP device {} ({offload}, MTU {})", self.name(), self.mtu())
    }

    fn is_blocked(&self) -> bool {
        false
    }

    fn batch<R>(&mut self, turn: impl FnOnce(&mut Self) -> R) -> R {
        self.batch(turn)
    }

    fn failure(&self) -> Option<String> {
        let error = self.error()?;
        Some(format!("the TAP device {} has gone: {error}", self.name()))
    }

    fn frames(&self) -> Vec<(&'static str, u64)> {
        let counters = self.counters();
        vec![
            ("received", counters.received),
            ("sent", counters.sent),
            ("received corrupt", counters.received_corrupt),
            ("dropped: link down", counters.dropped_link_down),
            ("dropped: queue full", counters.dropped_full),
            ("dropped: other", counters.dropped_other),
        ]
    }
}

impl Carrier for FramedStream {
    fn name(&self) -> String {
        "UNIX socket".into()
    }

    fn is_blocked(&self) -> bool {
        self.is_blocked()
    }

    fn failure(&self) -> Option<String> {
        self.error().map(ToString::to_string)
    }

    fn frames(&self) -> Vec<(&'static str, u64)> {
        let counters = self.counters();
        vec![
            ("received", counters.received),
            ("sent", counters.sent),
            ("dropped: queue full", counters.dropped_full),
            ("dropped: stream ended", counters.dropped_ended),
        ]
    }
}
