#![doc = include_str!("../README.md")]
// Without the client, its links lead to the documentation of the crate that has it.
#![cfg_attr(
    not(feature = "client"),
    doc = "

[`Client`]: https://docs.rs/linecho-std
[`Client::filter`]: https://docs.rs/linecho-std
[`ClientBuilder::wait_for_echo`]: https://docs.rs/linecho-std
[`Ping`]: https://docs.rs/linecho-std
[`check`]: https://docs.rs/linecho-std
[`load`]: https://docs.rs/linecho-std
"
)]
// `unsafe` is in tcp_info.rs alone: no crate of ours offers getsockopt(TCP_INFO).
#![deny(unsafe_code)]

mod acceptor;
mod backoff;
mod builder;
#[cfg(feature = "client")]
pub mod check;
#[cfg(feature = "client")]
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
#[cfg(feature = "client")]
pub mod load;
mod next;
mod non_blocking;
mod observer;
mod pauses;
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
mod spin;
mod start_error;
mod sweep;
mod tcp_info;
mod turns;
mod wait_failures;
mod worker;

pub use builder::Builder;
#[cfg(feature = "client")]
pub use client::{
    Client,
    backends::{Backends, Served},
    connect::{ClientBuilder, Preface, look_up},
    error::{Cause, ClientError, ConnectError, Ended},
    filter::{Ending, FilterSummary},
    input::Input,
    local_fault::LocalFault,
    mismatch::{Mismatch, Text},
    ping::{Outage, Ping, PingEvent, PingStats, PingView, Reconnect, RoundTrips},
    proxy::{proxy_v1, proxy_v2},
    silence::Silence,
    suspect::Suspect,
    target::{Target, UnixPath},
    wait::{LastError, WaitError, Waited},
};
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
pub use tcp_info::TcpInfo;
