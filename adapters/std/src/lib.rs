#![doc = include_str!("../README.md")]

mod acceptor;
mod client;
mod client_error;
mod connection;
mod drain;
mod filter;
mod handle;
mod listen;
mod observer;
mod peer;
mod pool;
mod server;
mod socket;
mod sweep;
mod tee;
mod worker;

pub use client::Client;
pub use client_error::{ClientError, ConnectError};
pub use filter::Summary;
pub use handle::Handle;
pub use linecho_core::{Config, Counters, Instant, LongLines, Place, ProbeError, Reason, Totals};
pub use listen::{ListenError, listen};
pub use observer::{AcceptPaused, Closed, Observer};
pub use server::{Builder, Cut, Report, Server};
