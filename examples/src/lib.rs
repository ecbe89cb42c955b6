//! What the programs of linecho share. They are in `src/bin`: read those first.

pub mod address;
pub mod clock;
pub mod listeners;
pub mod log;
pub mod loopback;
#[cfg(target_os = "linux")]
mod netlink;
#[cfg(target_os = "linux")]
pub mod netns;
pub mod policy;
mod server_log;
#[cfg(target_os = "linux")]
pub mod tap;
