//! What every connection of a listener gets.

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
///     session: Config::new().idle_timeout(Duration::from_secs(300)),
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
    /// How long no byte comes or goes before the peer is asked whether it is still there, and asked
    /// again; twice as long after it was sent something to acknowledge. It is not smoltcp's keep-alive,
    /// which may send a NUL in the place of a lost byte.
    pub keep_alive: Option<Duration>,
    /// How long a handshake may take once no slot listens any more. While others listen, it may
    /// take [`PATIENCE`](Self::PATIENCE).
    pub handshake_timeout: Duration,
    /// How long a connection whose session has ended may make no progress towards its end, once no
    /// slot listens any more. While others listen, it may take [`PATIENCE`](Self::PATIENCE).
    pub close_timeout: Duration,
    /// How long an acknowledgement may wait for data to go with.
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
    /// How long a half-open or closing slot is waited for while others listen: long enough for
    /// several retransmissions on a bad link.
    pub const PATIENCE: Duration = Duration::from_secs(60);

    /// Sessions without deadlines; a silent peer is asked after 15 s and given up after 120 s; a
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
