#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod acceptor;
mod builder;
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
mod recorder;
mod report;
mod server;
mod settings;
mod socket;
mod start_error;
mod sweep;
mod tee;
mod worker;

pub use builder::Builder;
pub use client::Client;
pub use client_error::{ClientError, ConnectError};
pub use filter::Summary;
pub use handle::Handle;
pub use linecho_core::{Config, Counters, Instant, LongLines, Place, ProbeError, Reason, Totals};
pub use listen::{ListenError, listen};
pub use observer::{AcceptPaused, Observer, SessionEnd};
pub use report::{Report, Unfinished};
pub use server::Server;
pub use start_error::StartError;
