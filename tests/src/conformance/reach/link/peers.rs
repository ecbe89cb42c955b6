//! The peers on the other stack, as plain sockets of smoltcp.

use std::io::{self, ErrorKind};

use linecho_devices::faulty::Side;
use linecho_devices::testing::{Host, World, tcp_socket};
use linecho_smoltcp::smoltcp::iface::SocketHandle;
use linecho_smoltcp::smoltcp::socket::tcp::{RecvError, Socket, State};
use linecho_smoltcp::smoltcp::time;
use linecho_smoltcp::smoltcp::wire::IpAddress;

use super::super::Peer;

/// The interval of a peer's keep-alive probes to a silent server, by which it notices a reset that
/// was lost.
const KEEP_ALIVE: time::Duration = time::Duration::from_secs(15);

/// Ephemeral ports begin here (RFC 6335, 6).
const FIRST_PORT: u16 = 49152;

pub(super) struct Peers {
    host: Host,
    server: (IpAddress, u16),
    /// Bytes of a socket's buffers, each way.
    ring: usize,
    /// The socket of each peer.
    sockets: Vec<SocketHandle>,
    /// Those that close when all that they have sent is acknowledged.
    closing: Vec<SocketHandle>,
    /// A peer sent or received something since this was last cleared.
    pub(super) moved: bool,
}

impl Peers {
    pub(super) fn new(host: Host, server: (IpAddress, u16), ring: usize) -> Self {
        Self {
            host,
            server,
            ring,
            sockets: Vec::new(),
            closing: Vec::new(),
            moved: false,
        }
    }

    /// Takes in what has arrived, and sends what there is to send.
    pub(super) fn turn(&mut self, world: &mut World) {
        let host = &mut self.host;
        self.closing.retain(|&handle| {
            let socket = host.socket(handle);
            let waits = socket.send_queue() > 0 && socket.may_send();
            if !waits {
                socket.close();
            }
            waits
        });
        world.poll(Side::A, host);
    }

    pub(super) fn deadline(&mut self, world: &World) -> Option<time::Instant> {
        self.host.poll_at(world.now())
    }

    pub(super) fn open(&mut self) -> io::Result<Peer> {
        let number = self.sockets.len();
        let mut socket = tcp_socket(self.ring, self.ring);
        socket.set_keep_alive(Some(KEEP_ALIVE));
        socket.set_nagle_enabled(false);
        let port = FIRST_PORT + (number % usize::from(u16::MAX - FIRST_PORT)) as u16;
        socket
            .connect(self.host.iface.context(), self.server, port)
            .map_err(|error| io::Error::other(error.to_string()))?;
        self.sockets.push(self.host.sockets.add(socket));
        Ok(Peer(number))
    }

    fn socket(&mut self, peer: Peer) -> &mut Socket<'static> {
        self.host.socket(self.sockets[peer.0])
    }

    pub(super) fn is_connected(&mut self, peer: Peer) -> io::Result<bool> {
        match self.socket(peer).state() {
            State::Closed => Err(ErrorKind::ConnectionRefused.into()),
            State::SynSent | State::SynReceived => Ok(false),
            _ => Ok(true),
        }
    }

    pub(super) fn send(&mut self, peer: Peer, bytes: &[u8]) -> io::Result<usize> {
        let sent = self.socket(peer).send_slice(bytes);
        self.moved |= sent.is_ok_and(|n| n > 0);
        sent.map_err(|_| ErrorKind::BrokenPipe.into())
    }

    pub(super) fn receive(&mut self, peer: Peer, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        match self.socket(peer).recv_slice(buffer) {
            Ok(0) => Ok(None),
            Ok(n) => {
                self.moved = true;
                Ok(Some(n))
            }
            Err(RecvError::Finished) => Ok(Some(0)),
            Err(RecvError::InvalidState) => Err(ErrorKind::ConnectionReset.into()),
        }
    }

    /// The FIN goes when all data before it is acknowledged. smoltcp 0.14 takes a FIN from a
    /// segment that it cuts at the end of its window, and is out of step from then on; and it
    /// can send such a segment, since it believes a window that an older segment tells of when
    /// they are reordered.
    pub(super) fn half_close(&mut self, peer: Peer) {
        self.closing.push(self.sockets[peer.0]);
    }

    pub(super) fn reset(&mut self, peer: Peer) {
        self.socket(peer).abort();
    }

    /// As the kernel does it: a reset if something is unread.
    pub(super) fn close(&mut self, peer: Peer) {
        let socket = self.socket(peer);
        if socket.can_recv() {
            socket.abort();
        } else {
            self.half_close(peer);
        }
    }
}
