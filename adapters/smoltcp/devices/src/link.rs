//! The one view that a program has of every device with a file descriptor.

use std::os::fd::AsFd;

use smoltcp::phy::Device;

/// A device that a program can sleep on, with [`wait`](crate::wait).
///
/// ```no_run
/// use linecho_devices::{Interest, Link, wait};
/// # fn poll<D>(_: &mut D) -> Option<std::time::Duration> { None }
///
/// fn serve(mut device: impl Link) -> std::io::Result<()> {
///     while device.failure().is_none() {
///         let timeout = device.batch(|device| poll(device));
///         wait([Interest::read_write(&device, device.is_blocked())], timeout)?;
///     }
///     Ok(())
/// }
/// ```
pub trait Link: Device + AsFd {
    /// Describes the device for people, as in "TAP device tap0 (offloaded, MTU 1500)".
    fn describe(&self) -> String;

    /// Returns whether frames wait until the file descriptor can be written.
    fn is_blocked(&self) -> bool {
        false
    }

    /// Takes a turn of the stack, whose frames may leave in a row at its end.
    fn batch<R>(&mut self, turn: impl FnOnce(&mut Self) -> R) -> R
    where
        Self: Sized,
    {
        turn(self)
    }

    /// Explains what has ended the device for good, once something has.
    fn failure(&self) -> Option<String>;

    /// Returns the numbers of frames received, sent, and lost by cause.
    fn frames(&self) -> Vec<(&'static str, u64)>;
}

#[cfg(all(feature = "tap", target_os = "linux"))]
impl Link for crate::Tap {
    fn describe(&self) -> String {
        let offload = match self.is_offloaded() {
            true => "offloaded",
            false => "without offload",
        };
        format!("TAP device {} ({offload}, MTU {})", self.name(), self.mtu())
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
            ("received fragments", counters.received_fragments),
            ("dropped: link down", counters.dropped_link_down),
            ("dropped: queue full", counters.dropped_full),
            ("dropped: other", counters.dropped_other),
        ]
    }
}

#[cfg(feature = "stream")]
impl Link for crate::FramedStream {
    fn describe(&self) -> String {
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

#[cfg(feature = "stream")]
impl Link for crate::Passt {
    fn describe(&self) -> String {
        self.stream().describe()
    }

    fn is_blocked(&self) -> bool {
        self.stream().is_blocked()
    }

    fn failure(&self) -> Option<String> {
        self.stream().failure()
    }

    fn frames(&self) -> Vec<(&'static str, u64)> {
        self.stream().frames()
    }
}
