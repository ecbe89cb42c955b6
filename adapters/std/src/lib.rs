#![doc = include_str!("../README.md")]

mod acceptor;
mod connection;
mod handle;
mod listen;
mod observer;
mod peer;
mod pool;
mod server;
mod socket;
mod sweep;
mod worker;

pub use handle::Handle;
pub use linecho_core::{Config, Counters, Instant, LongLines, Reason, Totals};
pub use listen::{ListenError, listen};
pub use observer::{AcceptPaused, Closed, Observer};
pub use server::{Builder, Cut, Report, Server};
