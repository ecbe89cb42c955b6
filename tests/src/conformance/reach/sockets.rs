//! The kernel's TCP as the peers' side: real sockets and the wall's clock, whatever serves at the
//! other end.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::time::{Duration, Instant};

use linecho_core::Totals;
use linecho_trials::Stop;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};

use super::{Facts, Network, Peer};

/// A line on a loopback takes microseconds; a loaded machine may sleep for longer than one would
/// think.
pub const PACE: Duration = Duration::from_millis(500);

/// The longest that a step waits for something to happen.
const STEP: Duration = Duration::from_millis(5);

/// The silence after which a peer on a slow link probes the server: the least of Linux.
const PROBE: Duration = Duration::from_secs(1);

/// A server at the other end.
pub trait Server {
    /// Its properties.
    fn facts(&self) -> Facts;

    /// See [`Network::totals`].
    fn totals(&mut self) -> Option<Totals> {
        None
    }

    /// See [`Network::shut_down`].
    ///
    /// # Errors
    ///
    /// [`Stop::NotApplicable`] when it cannot be asked.
    fn shut_down(&mut self) -> Result<(), Stop> {
        Err(Stop::NotApplicable(
            "this server cannot be shut down".into(),
        ))
    }

    /// See [`Network::is_down`].
    ///
    /// # Errors
    ///
    /// [`Stop::Failed`] when it ended in another way than it should.
    fn is_down(&mut self) -> Result<bool, Stop> {
        Ok(false)
    }
}

/// The facts of a server on the kernel's TCP, reached over a loopback.
#[must_use]
pub fn facts(buffer: usize, connections: Option<usize>) -> Facts {
    let in_transit = kernel_buffers() + buffer;
    Facts {
        buffer,
        connections: connections.unwrap_or(usize::MAX),
        in_transit,
        sees_silent: true,
        bulk: in_transit + (1 << 20),
    }
}

/// The most bytes that the kernel keeps of one connection over a loopback, both ways: its send and
/// receive buffers.
#[must_use]
pub fn kernel_buffers() -> usize {
    let longest = |name: &str| {
        let path = format!("/proc/sys/net/ipv4/{name}");
        let line = std::fs::read_to_string(path).unwrap_or_default();
        line.split_whitespace()
            .last()
            .and_then(|max| max.parse().ok())
            .unwrap_or(8 << 20)
    };
    let (send, receive): (usize, usize) = (longest("tcp_wmem"), longest("tcp_rmem"));
    2 * (send + receive)
}

/// Bytes that [`Sockets::with_small_buffers`] asks for, each way; the kernel grants itself twice as
/// many.
pub const SMALL_BUFFERS: usize = 2 * (64 << 10);

/// Peers with sockets of the kernel, and the server that they connect to.
pub struct Sockets<S> {
    server: S,
    address: SocketAddr,
    small_buffers: bool,
    began: Instant,
    poll: Poll,
    events: Events,
    connections: Vec<Option<Connection>>,
    /// Something moved since the last step: another turn may move more.
    moved: bool,
}

struct Connection {
    stream: TcpStream,
    connected: bool,
    // As the kernel said last; a call that would block corrects them.
    readable: bool,
    writable: bool,
}

impl<S: Server> Sockets<S> {
    /// Peers of `server`, which listens on `address`.
    ///
    /// # Errors
    ///
    /// When the system lacks the means.
    pub fn new(server: S, address: SocketAddr) -> io::Result<Self> {
        Ok(Self {
            server,
            address,
            small_buffers: false,
            began: Instant::now(),
            poll: Poll::new()?,
            events: Events::with_capacity(1024),
            connections: Vec::new(),
            moved: false,
        })
    }

    /// The same, but the kernel keeps little of a connection: for slow links.
    ///
    /// # Errors
    ///
    /// When the system lacks the means.
    pub fn with_small_buffers(server: S, address: SocketAddr) -> io::Result<Self> {
        Ok(Self {
            small_buffers: true,
            ..Self::new(server, address)?
        })
    }

    fn connect(&self) -> io::Result<TcpStream> {
        let socket = Socket::new(
            Domain::for_address(self.address),
            Type::STREAM,
            Some(Protocol::TCP),
        )?;
        if self.small_buffers {
            socket.set_send_buffer_size(SMALL_BUFFERS / 2)?;
            socket.set_recv_buffer_size(SMALL_BUFFERS / 2)?;
            // An RST that is lost is never sent again: a silent peer learns by a probe.
            let probes = TcpKeepalive::new().with_time(PROBE).with_interval(PROBE);
            socket.set_tcp_keepalive(&probes)?;
        }
        socket.set_nonblocking(true)?;
        socket.set_tcp_nodelay(true)?;
        match socket.connect(&self.address.into()) {
            Err(error) if !is_in_progress(&error) => Err(error),
            _ => Ok(TcpStream::from_std(socket.into())),
        }
    }

    fn connection(&mut self, peer: Peer) -> io::Result<&mut Connection> {
        let connection = self.connections.get_mut(peer.0).and_then(Option::as_mut);
        connection.ok_or_else(|| ErrorKind::NotConnected.into())
    }
}

/// True for what the system answers to a connect that does not wait.
fn is_in_progress(error: &io::Error) -> bool {
    #[cfg(unix)]
    return error.raw_os_error() == Some(nix::libc::EINPROGRESS);
    #[cfg(not(unix))]
    return error.kind() == ErrorKind::WouldBlock;
}

/// The bytes that a call moved; `None` when it would block, which `ready` then says.
fn unless_it_blocks(result: io::Result<usize>, ready: &mut bool) -> io::Result<Option<usize>> {
    match result {
        Ok(n) => Ok(Some(n)),
        Err(error) if error.kind() == ErrorKind::WouldBlock => {
            *ready = false;
            Ok(None)
        }
        Err(error) if error.kind() == ErrorKind::Interrupted => Ok(None),
        Err(error) => Err(error),
    }
}

impl<S: Server> Network for Sockets<S> {
    fn facts(&self) -> Facts {
        self.server.facts()
    }

    fn now(&self) -> Duration {
        self.began.elapsed()
    }

    fn step(&mut self) -> Result<(), Stop> {
        let wait = if std::mem::take(&mut self.moved) {
            Duration::ZERO
        } else {
            STEP
        };
        match self.poll.poll(&mut self.events, Some(wait)) {
            Err(error) if error.kind() != ErrorKind::Interrupted => {
                return Err(Stop::Failed(format!("epoll failed: {error}")));
            }
            _ => {}
        }
        for event in &self.events {
            if let Some(Some(connection)) = self.connections.get_mut(event.token().0) {
                connection.readable |=
                    event.is_readable() || event.is_read_closed() || event.is_error();
                connection.writable |=
                    event.is_writable() || event.is_write_closed() || event.is_error();
            }
        }
        Ok(())
    }

    fn open(&mut self) -> io::Result<Peer> {
        let mut stream = self.connect()?;
        let peer = Peer(self.connections.len());
        let both = Interest::READABLE | Interest::WRITABLE;
        self.poll
            .registry()
            .register(&mut stream, Token(peer.0), both)?;
        self.connections.push(Some(Connection {
            stream,
            connected: false,
            readable: false,
            writable: false,
        }));
        Ok(peer)
    }

    fn is_connected(&mut self, peer: Peer) -> io::Result<bool> {
        let connection = self.connection(peer)?;
        if !connection.connected && connection.writable {
            if let Some(error) = connection.stream.take_error()? {
                return Err(error);
            }
            connection.connected = connection.stream.peer_addr().is_ok();
        }
        Ok(connection.connected)
    }

    fn send(&mut self, peer: Peer, bytes: &[u8]) -> io::Result<usize> {
        let connection = self.connection(peer)?;
        if !connection.writable {
            return Ok(0);
        }
        let sent = unless_it_blocks(connection.stream.write(bytes), &mut connection.writable)?
            .unwrap_or(0);
        self.moved |= sent > 0;
        Ok(sent)
    }

    fn receive(&mut self, peer: Peer, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        let connection = self.connection(peer)?;
        if !connection.readable {
            return Ok(None);
        }
        let received = unless_it_blocks(connection.stream.read(buffer), &mut connection.readable)?;
        self.moved |= received.is_some();
        Ok(received)
    }

    fn half_close(&mut self, peer: Peer) -> io::Result<()> {
        self.connection(peer)?.stream.shutdown(Shutdown::Write)
    }

    fn reset(&mut self, peer: Peer) {
        if let Some(connection) = self.connections[peer.0].take() {
            // Closed with a linger time of zero, a socket sends a reset. Failing means that there
            // is nothing to reset.
            let _ = SockRef::from(&connection.stream).set_linger(Some(Duration::ZERO));
        }
    }

    fn close(&mut self, peer: Peer) {
        self.connections[peer.0] = None;
    }

    fn totals(&mut self) -> Option<Totals> {
        self.server.totals()
    }

    fn shut_down(&mut self) -> Result<(), Stop> {
        self.server.shut_down()
    }

    fn is_down(&mut self) -> Result<bool, Stop> {
        self.server.is_down()
    }
}
