//! Devices: what carries frames under smoltcp. Each implements [`smoltcp::phy::Device`].
//!
//! | device | feature | carries frames over |
//! |---|---|---|
//! | [`Tap`] | `tap` | a Linux TAP device, with checksums and segmentation left to the kernel |
//! | [`FramedStream`] | `stream` | a UNIX stream socket: passt, QEMU, a socket pair |
//! | [`FaultyLink`], [`FaultyLoopback`] | `faulty` | memory, in virtual time, with seeded faults |
//! | [`Pcap`] | `pcap` | any of the others, with a capture file beside it |
//!
//! What they have in common: no device panics on an I/O error, and none allocates for each frame. What
//! a device has lost is counted in its `counters()`; what has ended it for good is kept in `error()`,
//! and from then on it is like a link without a carrier: nothing comes in, and what goes out is dropped.

#[cfg(feature = "faulty")]
pub mod faulty;
#[cfg(feature = "pcap")]
pub mod pcap;
#[cfg(all(feature = "stream", unix))]
pub mod stream;
#[cfg(all(feature = "tap", target_os = "linux"))]
pub mod tap;
#[cfg(all(any(feature = "stream", feature = "tap"), target_os = "linux"))]
mod wait;
#[cfg(any(
    all(feature = "stream", unix),
    all(feature = "tap", target_os = "linux")
))]
mod window;

#[cfg(test)]
mod testing;

#[cfg(feature = "faulty")]
pub use faulty::{FaultyLink, FaultyLoopback};
#[cfg(feature = "pcap")]
pub use pcap::Pcap;
#[cfg(all(feature = "stream", unix))]
pub use stream::FramedStream;
#[cfg(all(feature = "tap", target_os = "linux"))]
pub use tap::Tap;
#[cfg(all(any(feature = "stream", feature = "tap"), target_os = "linux"))]
pub use wait::{Interest, wait};
