#![no_std]
#![forbid(unsafe_code)]
#![doc = include_str!("../README.md")]

mod buffer;
mod config;
mod counters;
mod newlines;
mod probe;
mod probe_error;
mod reason;
mod session;
mod time;

#[cfg(feature = "async")]
pub mod asynchronous;
pub mod blocking;
pub mod polled;
pub mod transport;

pub use config::{Config, LongLines};
pub use counters::{Counters, Totals};
pub use probe::{Echo, Probe};
pub use probe_error::{Position, ProbeError, QueueFull};
pub use reason::Reason;
pub use session::Session;
pub use time::Instant;

pub use embedded_io;

#[cfg(any(test, all(feature = "simd", target_arch = "x86_64")))]
extern crate std;

#[cfg(test)]
mod oracle;
#[cfg(test)]
mod walk;
