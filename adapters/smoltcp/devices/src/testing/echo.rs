//! The plainest echo on a stack, and a client that checks it: a load for tests of devices.

use core::time::Duration;

use smoltcp::iface::SocketHandle;
use smoltcp::phy::Device;
use smoltcp::socket::tcp;
use smoltcp::time::Instant;
use smoltcp::wire::{IpAddress, IpCidr, Ipv6Address};

use super::{Host, tcp_socket};

/// The port of the echo.
pub const PORT: u16 = 7;

/// The longest time that a test of a device may take.
pub const LIMIT: Duration = Duration::from_secs(60);

/// Starts a clock at zero, which panics after [`LIMIT`].
pub fn wall_clock() -> impl Fn() -> Instant {
    let start = std::time::Instant::now();
    move || {
        let elapsed = start.elapsed();
        assert!(elapsed < LIMIT, "the test takes too long");
        Instant::from_micros(elapsed.as_micros() as i64)
    }
}

/// Returns the IPv4 address of a host.
#[must_use]
pub fn ipv4(host: u8) -> IpAddress {
    IpAddress::v4(192, 168, 69, host)
}

/// Returns the IPv6 address of a host.
#[must_use]
pub fn ipv6(host: u8) -> IpAddress {
    Ipv6Address::new(0xfdaa, 0, 0, 0, 0, 0, 0, host.into()).into()
}

/// A host with one TCP socket.
pub struct Stack {
    /// The host.
    pub host: Host,
    /// Its socket.
    pub handle: SocketHandle,
}

impl Stack {
    /// Makes the host with this number, with an address of each kind.
    pub fn new(device: &mut impl Device, host: u8, now: Instant) -> Self {
        let addresses = [IpCidr::new(ipv4(host), 24), IpCidr::new(ipv6(host), 64)];
        Self::of(Host::new(device, addresses, host.into(), now))
    }

    /// Gives a host its socket.
    #[must_use]
    pub fn of(mut host: Host) -> Self {
        let handle = host.sockets.add(socket());
        Self { host, handle }
    }

    /// Returns the socket.
    pub fn socket(&mut self) -> &mut tcp::Socket<'static> {
        self.host.socket(self.handle)
    }

    /// Opens a connection to the echo at `address`.
    pub fn connect(&mut self, address: IpAddress) {
        self.host.connect(self.handle, (address, PORT), 50_000);
    }

    /// Does all that the stack can do at `now`, with `play` in the role of the application.
    pub fn turn(
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
#[must_use]
pub fn socket() -> tcp::Socket<'static> {
    tcp_socket(64 * 1024, 64 * 1024)
}

/// Sends back what has come in, as far as there is room, and closes after the peer.
///
/// # Panics
///
/// When the socket contradicts itself.
pub fn echo(socket: &mut tcp::Socket<'_>) {
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

/// Returns byte number `at` of what is sent: never the same at the same place of two segments.
#[must_use]
pub fn pattern(at: usize) -> u8 {
    ((at >> 8) ^ (at >> 16) ^ at) as u8
}

/// A client that streams bytes to an echo, checks each that comes back, and closes.
pub struct Client {
    total: usize,
    sent: usize,
    received: usize,
    closed: bool,
}

impl Client {
    /// Makes a client that has sent nothing yet.
    #[must_use]
    pub fn new(total: usize) -> Self {
        Self {
            total,
            sent: 0,
            received: 0,
            closed: false,
        }
    }

    /// Returns whether all bytes came back, and both sides have closed.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.closed
    }

    /// Sends and receives as much as there is.
    ///
    /// # Panics
    ///
    /// When a byte is wrong, or the connection ends too early.
    pub fn play(&mut self, socket: &mut tcp::Socket<'_>) {
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
