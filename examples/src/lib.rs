//! What the programs of linecho share. They are in `src/bin`: read those first.

pub mod address;
pub mod clock;
pub mod listeners;
pub mod log;
pub mod loopback;
pub mod policy;
mod server_log;
#[cfg(target_os = "linux")]
pub mod tap;
