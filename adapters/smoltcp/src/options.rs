//! Options of the connections of a listener.

use core::time::Duration;

use linecho_core::Config;
use smoltcp::wire::TcpTimestampGenerator;

/// The policy and deadlines of the sessions of a listener, and the options of its sockets.
///
/// ```
/// use core::time::Duration;
/// use linecho_smoltcp::{Config, Options};
///
/// const OPTIONS: Options = Options {
///     session: Config::new().idle_timeout(Some(Duration::from_secs(300))),
///     ..Options::DEFAULT
/// };
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Long lines, idle and write timeouts.
    pub session: Config,
    /// The dead-peer guard: a connection whose peer has been silent for this long is reset. Use it
    /// together with `keep_alive`, since smoltcp also resets idle connections by it.
    pub dead_peer_timeout: Option<Duration>,
    /// The interval of keep-alive probes (RFC 1122, 4.2.3.6): sent when no byte has come or gone
    /// for this long, twice as long after data, and repeated. Unlike those of smoltcp, they carry
    /// no garbage byte, which a peer may take for data that it lacks.
    pub keep_alive: Option<Duration>,
    /// The limit of a handshake while no slot listens. While others listen, it is
    /// [`PATIENCE`](Self::PATIENCE), if that is longer.
    pub handshake_timeout: Duration,
    /// The limit for a connection whose session has ended to make no progress towards its end,
    /// while no slot listens. While others listen, it is [`PATIENCE`](Self::PATIENCE), if that is
    /// longer.
    pub close_timeout: Duration,
    /// The limit for which an acknowledgement waits for data to go with.
    pub ack_delay: Option<Duration>,
    /// Nagle's algorithm. Leave it off: with the peer's delayed acknowledgements it holds back
    /// short lines.
    pub nagle: bool,
    /// Time to live (IPv4), hop limit (IPv6); 0 counts as 1.
    pub hop_limit: u8,
    /// TCP timestamps (RFC 7323), off without a generator.
    pub timestamps: Option<TcpTimestampGenerator>,
}

impl Options {
    /// The limit of a half-open or closing slot while others listen: long enough for several
    /// retransmissions on a bad link.
    pub const PATIENCE: Duration = Duration::from_secs(60);

    /// Sessions without deadlines; a silent peer is probed after 15 s and given up after 120 s; a
    /// handshake gets 5 s and a close 10 s when slots are short.
    pub const DEFAULT: Self = Self {
        session: Config::new(),
        dead_peer_timeout: Some(Duration::from_secs(120)),
        keep_alive: Some(Duration::from_secs(15)),
        handshake_timeout: Duration::from_secs(5),
        close_timeout: Duration::from_secs(10),
        ack_delay: Some(Duration::from_millis(10)),
        nagle: false,
        hop_limit: 64,
        timestamps: None,
    };
}

impl Default for Options {
    fn default() -> Self {
        Self::DEFAULT
    }
}

impl From<Config> for Options {
    /// Sessions by `session`, the rest by [`DEFAULT`](Self::DEFAULT).
    fn from(session: Config) -> Self {
        Self {
            session,
            ..Self::DEFAULT
        }
    }
}
