#![doc = include_str!("../README.md")]
// `unsafe` is in client/tcp_info.rs alone: no crate of ours offers getsockopt(TCP_INFO).
#![deny(unsafe_code)]

mod acceptor;
mod backoff;
mod builder;
pub mod check;
mod client;
mod connection;
mod connection_info;
mod drain;
mod endpoint;
mod greeting;
mod handle;
#[cfg(unix)]
mod handover;
mod header_wait;
mod identity;
mod linger;
mod listen;
mod listener;
pub mod load;
mod next;
mod non_blocking;
mod observer;
mod peer;
mod peer_limit;
mod pool;
mod proxy_header;
mod recorder;
mod report;
mod server;
mod settings;
mod shared;
#[cfg(unix)]
mod shutdown_stream;
mod socket;
mod start_error;
mod sweep;
mod turns;
mod worker;

pub use builder::Builder;
pub use client::Client;
pub use client::backends::{Backends, Served};
pub use client::connect::{ClientBuilder, Preface, look_up};
pub use client::error::{Cause, ClientError, ConnectError, Ended};
pub use client::filter::{Ending, FilterSummary};
pub use client::input::Input;
pub use client::local_fault::LocalFault;
pub use client::mismatch::{Mismatch, Text};
pub use client::ping::{Outage, Ping, PingEvent, PingStats, PingView, Reconnect, RoundTrips};
pub use client::proxy::{proxy_v1, proxy_v2};
pub use client::silence::Silence;
pub use client::suspect::Suspect;
pub use client::target::{Target, UnixPath};
pub use client::tcp_info::TcpInfo;
pub use client::wait::{LastError, WaitError, Waited};
pub use connection_info::ConnectionInfo;
pub use endpoint::Endpoint;
pub use handle::{AcceptCounters, Handle};
#[cfg(unix)]
pub use handover::{receive_listeners, send_listeners};
pub use header_wait::ProxyFault;
pub use identity::{Backend, Identity, ProxyIdentity};
pub use linecho_core::{
    Config, Counters, Instant, LongLines, Position, ProbeError, Reason, Totals,
};
#[cfg(unix)]
pub use listen::listen_unix;
pub use listen::{ListenError, listen};
pub use listener::{Listener, ListenerInfo};
pub use non_blocking::NonBlocking;
pub use observer::{AcceptPaused, Observer, Refusal, SessionEnd};
pub use proxy_header::{ProxyHeader, ProxyHeaderError};
pub use report::{Report, Unfinished};
pub use server::Server;
pub use start_error::StartError;
