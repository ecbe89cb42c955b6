// The example of the README is of a faulty link.
#![cfg_attr(feature = "faulty", doc = include_str!("../README.md"))]
#![cfg_attr(not(feature = "faulty"), doc = "Devices for smoltcp: see the README.")]

#[cfg(feature = "faulty")]
pub mod faulty;
#[cfg(any(
    all(feature = "stream", unix),
    all(feature = "tap", target_os = "linux")
))]
mod link;
#[cfg(all(feature = "netns", target_os = "linux"))]
pub mod netns;
#[cfg(feature = "pcap")]
pub mod pcap;
#[cfg(any(
    all(feature = "stream", unix),
    all(feature = "tap", target_os = "linux")
))]
mod segment;
#[cfg(all(feature = "stream", unix))]
pub mod stream;
#[cfg(all(any(feature = "stream", feature = "tap"), target_os = "linux"))]
mod sys;
#[cfg(all(feature = "tap", target_os = "linux"))]
pub mod tap;
#[cfg(any(
    all(feature = "stream", unix),
    all(feature = "tap", target_os = "linux")
))]
mod vlan;
#[cfg(all(any(feature = "stream", feature = "tap"), target_os = "linux"))]
mod wait;

#[cfg(any(feature = "testing", test))]
pub mod testing;

#[cfg(feature = "faulty")]
pub use faulty::{FaultyLink, FaultyLoopback};
#[cfg(any(
    all(feature = "stream", unix),
    all(feature = "tap", target_os = "linux")
))]
pub use link::Link;
#[cfg(feature = "pcap")]
pub use pcap::Pcap;
#[cfg(all(feature = "stream", unix))]
pub use stream::{FramedStream, Passt};
#[cfg(all(feature = "tap", target_os = "linux"))]
pub use tap::Tap;
#[cfg(all(any(feature = "stream", feature = "tap"), target_os = "linux"))]
pub use wait::{Interest, wait, wait_spinning};

pub use smoltcp;
