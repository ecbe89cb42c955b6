//! Connecting: looks the name up, tries each address, all within one time.

use std::io::{self, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, ToSocketAddrs};
use std::path::Path;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};

use super::error::ConnectError;
use super::{Client, unix};
use crate::listen::whole_seconds;

/// The pause between two keep-alive probes that got no answer.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(10);

/// Configures a [`Client`].
///
/// In all of its times zero means that there is no limit.
#[derive(Clone, Debug)]
pub struct ClientBuilder {
    connect_timeout: Option<Duration>,
    pub(crate) timeout: Duration,
    linger: Duration,
    keep_alive: Duration,
    source: Option<SocketAddr>,
    preface: Option<Preface>,
}

/// Makes the bytes that go before the first line, from our own address and the server's.
pub type Preface = fn(SocketAddr, SocketAddr) -> Vec<u8>;

impl Default for ClientBuilder {
    fn default() -> Self {
        Self {
            connect_timeout: None,
            timeout: Duration::from_secs(30),
            linger: Duration::from_secs(2),
            keep_alive: Duration::from_secs(60),
            source: None,
            preface: None,
        }
    }
}

impl ClientBuilder {
    /// Limits the time to connect, name look-up and all addresses together. By default it is the
    /// [`timeout`](Self::timeout).
    #[must_use]
    pub fn connect_timeout(mut self, limit: Duration) -> Self {
        self.connect_timeout = Some(limit);
        self
    }

    /// Limits the time in which the server neither takes nor returns a byte while an echo is
    /// outstanding; 30 s by default.
    #[must_use]
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.timeout = limit;
        self
    }

    /// Limits the time that a [filter](Client::filter) waits for the server's end when everything
    /// has come back; 2 s by default. Some relays never pass the end on.
    #[must_use]
    pub fn linger(mut self, limit: Duration) -> Self {
        self.linger = limit;
        self
    }

    /// Sets the silence after which the peer's TCP is probed (`SO_KEEPALIVE`), in whole seconds, at
    /// most 32,767; 60 s by default, and zero sends no probes. A time shorter than the timeout of a
    /// NAT on the way keeps an idle connection open.
    #[must_use]
    pub fn keep_alive(mut self, silence: Duration) -> Self {
        self.keep_alive = silence;
        self
    }

    /// Sets the address to connect from; port 0 leaves the port to the system, which also chooses
    /// the address by default. Only servers' addresses of the same family are tried then.
    #[must_use]
    pub fn source(mut self, address: SocketAddr) -> Self {
        self.source = Some(address);
        self
    }

    /// Sets what is sent before the first line, for example a PROXY header. It is not expected
    /// back.
    #[must_use]
    pub fn preface(mut self, preface: Preface) -> Self {
        self.preface = Some(preface);
        self
    }

    /// Connects to the first address that answers, of all that `server` resolves to. The look-up
    /// has a thread of its own, which is left behind when it takes too long.
    ///
    /// # Errors
    ///
    /// [`ConnectError`], with each address that was tried and what happened there.
    pub fn connect(
        &self,
        server: impl ToSocketAddrs + Send + 'static,
    ) -> Result<Client, ConnectError> {
        let began = Instant::now();
        let addresses = look_up(server, self.limit())?;
        self.connect_since(&addresses, began)
    }

    /// Connects to the first of `addresses` that answers, each with its share of the time.
    ///
    /// # Errors
    ///
    /// As of [`connect`](Self::connect).
    pub fn connect_any(&self, addresses: &[SocketAddr]) -> Result<Client, ConnectError> {
        self.connect_since(addresses, Instant::now())
    }

    /// Connects as [`connect_any`](Self::connect_any) does, and returns the plain socket, for tools
    /// that do more with a connection than send lines. Small writes are sent at once
    /// (`TCP_NODELAY`).
    ///
    /// # Errors
    ///
    /// As of [`connect`](Self::connect).
    pub fn connect_stream(&self, addresses: &[SocketAddr]) -> Result<TcpStream, ConnectError> {
        self.stream_since(addresses, Instant::now())
    }

    /// Connects to the UNIX socket at `path`, which begins with `@` for an abstract name on Linux.
    /// What is for TCP alone has no effect: keep-alive probes, the source and the preface.
    ///
    /// # Errors
    ///
    /// [`ConnectError::Unix`], in words: there is no such socket, it is no socket, nobody listens
    /// on it, or it may not be used.
    pub fn connect_unix(&self, path: &Path) -> Result<Client, ConnectError> {
        let stream = self.unix_stream(path)?;
        Client::over(stream, self.timeout, self.linger).map_err(ConnectError::SetUp)
    }

    pub(crate) fn unix_stream(&self, path: &Path) -> Result<TcpStream, ConnectError> {
        unix::connect(path, self.limit())
    }

    fn connect_since(
        &self,
        addresses: &[SocketAddr],
        began: Instant,
    ) -> Result<Client, ConnectError> {
        let stream = self.stream_since(addresses, began)?;
        Client::over(stream, self.timeout, self.linger).map_err(ConnectError::SetUp)
    }

    fn stream_since(
        &self,
        addresses: &[SocketAddr],
        began: Instant,
    ) -> Result<TcpStream, ConnectError> {
        let stream = self.connect_first(addresses, began)?;
        self.set_up(&stream).map_err(ConnectError::SetUp)?;
        Ok(stream)
    }

    /// Binds a free port before it connects, so that no other connection uses the port. One that
    /// connect(2) chooses may be shared with connections to other servers.
    pub(crate) fn with_own_port(mut self, server: SocketAddr) -> Self {
        let any: IpAddr = match server {
            SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        self.source.get_or_insert((any, 0).into());
        self
    }

    fn limit(&self) -> Duration {
        self.connect_timeout.unwrap_or(self.timeout)
    }

    fn connect_first(
        &self,
        addresses: &[SocketAddr],
        began: Instant,
    ) -> Result<TcpStream, ConnectError> {
        let usable = |it: &SocketAddr| {
            self.source
                .is_none_or(|ours| ours.is_ipv4() == it.is_ipv4())
        };
        let addresses: Vec<_> = addresses.iter().copied().filter(usable).collect();
        let mut failures = Vec::new();
        for (i, &address) in addresses.iter().enumerate() {
            let left = self.limit().saturating_sub(began.elapsed());
            let share = left / u32::try_from(addresses.len() - i).unwrap_or(u32::MAX);
            let share = (!self.limit().is_zero()).then_some(share.max(Duration::from_millis(1)));
            match self.connect_one(address, share) {
                Ok(stream) => return Ok(stream),
                Err(error) => failures.push((address, error)),
            }
        }
        Err(match failures.is_empty() {
            true => ConnectError::NoAddress,
            false => ConnectError::Failed(failures),
        })
    }

    fn connect_one(&self, address: SocketAddr, limit: Option<Duration>) -> io::Result<TcpStream> {
        let domain = Domain::for_address(address);
        let socket = Socket::new(domain, Type::STREAM, Some(Protocol::TCP))?;
        if let Some(source) = self.source {
            // An earlier connection from that port may be in TIME-WAIT. Where the option is
            // refused, binding tells whether it was needed.
            #[cfg(unix)]
            let _ = socket.set_reuse_address(true);
            socket.bind(&source.into())?;
        }
        match limit {
            Some(limit) => socket.connect_timeout(&address.into(), limit)?,
            None => socket.connect(&address.into())?,
        }
        let stream = TcpStream::from(socket);
        // A free port of the ephemeral range can be chosen as our own: TCP then connects to itself
        // (simultaneous open, RFC 9293, 3.5), and everything would come back.
        if stream.local_addr()? == stream.peer_addr()? {
            // By a reset, so that the port is free for a server at once.
            let _ = SockRef::from(&stream).set_linger(Some(Duration::ZERO));
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        Ok(stream)
    }

    fn set_up(&self, mut stream: &TcpStream) -> io::Result<()> {
        // A line is a message, and should not wait for the acknowledgement of the one before. Like
        // keep-alive it is a nicety: a socket that does not offer it (MPTCP, a system call filter)
        // serves all the same.
        let _ = stream.set_nodelay(true);
        if !self.keep_alive.is_zero() {
            let probes = TcpKeepalive::new()
                .with_time(whole_seconds(self.keep_alive))
                .with_interval(whole_seconds(self.keep_alive.min(KEEP_ALIVE_INTERVAL)));
            let _ = SockRef::from(stream).set_tcp_keepalive(&probes);
        }
        if let Some(preface) = self.preface {
            stream.write_all(&preface(stream.local_addr()?, stream.peer_addr()?))?;
        }
        Ok(())
    }
}

/// Resolves a name within `limit`; the timeout of getaddrinfo(3) may be longer. Zero means no
/// limit.
///
/// # Errors
///
/// [`ConnectError::LookUp`] or [`ConnectError::LookUpTimedOut`].
pub fn look_up(
    name: impl ToSocketAddrs + Send + 'static,
    limit: Duration,
) -> Result<Vec<SocketAddr>, ConnectError> {
    let (sender, answer) = channel();
    let look_up = move || {
        // Nobody listens any more when it took too long.
        let _ = sender.send(name.to_socket_addrs().map(Iterator::collect));
    };
    thread::Builder::new()
        .name("name look-up".into())
        .spawn(look_up)
        .map_err(ConnectError::SetUp)?;
    let answer = match limit.is_zero() {
        true => answer.recv().map_err(|_| RecvTimeoutError::Disconnected),
        false => answer.recv_timeout(limit),
    };
    match answer {
        Ok(result) => result.map_err(ConnectError::LookUp),
        Err(RecvTimeoutError::Timeout) => Err(ConnectError::LookUpTimedOut(limit)),
        Err(RecvTimeoutError::Disconnected) => Err(ConnectError::LookUp(io::Error::other(
            "the thread that looked the name up has ended",
        ))),
    }
}
