//! The plainest stack that echoes, and a peer that checks it.

use core::time::Duration;

use smoltcp::iface::SocketHandle;
use smoltcp::phy::Device;
use smoltcp::socket::tcp;
use smoltcp::time::Instant;
use smoltcp::wire::{IpAddress, IpCidr, Ipv6Address};

use super::{Host, tcp_socket};

pub(crate) const PORT: u16 = 7;

/// No test of a device may take longer.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

/// A clock that starts at 0, and panics after [`LIMIT`].
pub(crate) fn wall_clock() -> impl Fn() -> Instant {
    let start = std::time::Instant::now();
    move || {
        let elapsed = start.elapsed();
        assert!(elapsed < LIMIT, "the test takes too long");
        Instant::from_micros(elapsed.as_micros() as i64)
    }
}

pub(crate) fn ipv4(host: u8) -> IpAddress {
    IpAddress::v4(192, 168, 69, host)
}

pub(crate) fn ipv6(host: u8) -> IpAddress {
    Ipv6Address::new(0xfdaa, 0, 0, 0, 0, 0, 0, host.into()).into()
}

/// A host with one TCP socket.
pub(crate) struct Stack {
    pub(crate) host: Host,
    pub(crate) handle: SocketHandle,
}

impl Stack {
    pub(crate) fn new(device: &mut impl Device, host: u8, now: Instant) -> Self {
        let addresses = [IpCidr::new(ipv4(host), 24), IpCidr::new(ipv6(host), 64)];
        Self::of(Host::new(device, addresses, host.into(), now))
    }

    pub(crate) fn of(mut host: Host) -> Self {
        let handle = host.sockets.add(socket());
        Self { host, handle }
    }

    pub(crate) fn socket(&mut self) -> &mut tcp::Socket<'static> {
        self.host.socket(self.handle)
    }

    pub(crate) fn connect(&mut self, address: IpAddress) {
        self.host.connect(self.handle, (address, PORT), 50_000);
    }

    /// Does all that the stack can do at `now`, with `play` in the role of the application.
    pub(crate) fn turn(
        &mut self,
        now: Instant,
        device: &mut impl Device,
        mut play: impl FnMut(&mut tcp::Socket<'static>),
    ) {
        self.host.poll(now, device);
        play(self.socket());
        self.host.poll(now, device);
    }
}

/// Makes a socket with buffers of 64 KiB each way.
pub(crate) fn socket() -> tcp::Socket<'static> {
    tcp_socket(64 * 1024, 64 * 1024)
}

/// Sends back what has come in, as far as there is room, and closes after the peer.
pub(crate) fn echo(socket: &mut tcp::Socket<'_>) {
    let mut buffer = [0; 4096];
    while socket.can_recv() && socket.can_send() {
        let room = (socket.send_capacity() - socket.send_queue()).min(buffer.len());
        let len = socket.recv_slice(&mut buffer[..room]).unwrap();
        assert_eq!(socket.send_slice(&buffer[..len]), Ok(len));
    }
    if socket.state() == tcp::State::CloseWait && !socket.can_recv() {
        socket.close();
    }
}

/// Byte number `at` of what is sent: never the same at the same place of two segments.
pub(crate) fn pattern(at: usize) -> u8 {
    ((at >> 8) ^ (at >> 16) ^ at) as u8
}

/// A client that streams bytes to an echo, checks each that comes back, and closes.
pub(crate) struct Client {
    total: usize,
    sent: usize,
    received: usize,
    closed: bool,
}

impl Client {
    pub(crate) fn new(total: usize) -> Self {
        Self {
            total,
            sent: 0,
            received: 0,
            closed: false,
        }
    }

    /// All bytes came back, and both sides have closed.
    pub(crate) fn is_done(&self) -> bool {
        self.closed
    }

    pub(crate) fn play(&mut self, socket: &mut tcp::Socket<'_>) {
        while socket.can_send() && self.sent < self.total {
            let (sent, left) = (self.sent, self.total - self.sent);
            let fill = |buffer: &mut [u8]| {
                let len = buffer.len().min(left);
                for (at, byte) in (sent..).zip(&mut buffer[..len]) {
                    *byte = pattern(at);
                }
                (len, len)
            };
            self.sent += socket.send(fill).unwrap();
        }
        while socket.can_recv() {
            let received = self.received;
            let check = |buffer: &mut [u8]| {
                for (at, byte) in (received..).zip(&*buffer) {
                    assert_eq!(*byte, pattern(at), "byte {at}");
                }
                (buffer.len(), buffer.len())
            };
            self.received += socket.recv(check).unwrap();
        }
        if self.received == self.total && socket.may_send() {
            socket.close();
        }
        let state = socket.state();
        self.closed = matches!(state, tcp::State::TimeWait | tcp::State::Closed);
        let is_complete = self.received == self.total;
        assert!(
            !self.closed || is_complete,
            "{state} after {} bytes",
            self.received
        );
    }
}
