//! What the tests of the devices share: the plainest stack that echoes, and a peer that checks it.

#![allow(dead_code, reason = "the tests of each device use a part of it")]

use std::time::Duration as StdDuration;

use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::phy::{Device, Medium};
use smoltcp::socket::tcp;
use smoltcp::time::Instant;
use smoltcp::wire::{EthernetAddress, HardwareAddress, IpAddress, IpCidr, Ipv6Address};

pub(super) const PORT: u16 = 7;

/// No test of a device may take longer.
pub(super) const LIMIT: StdDuration = StdDuration::from_secs(60);

/// A clock that starts at 0, and panics after [`LIMIT`].
pub(super) fn wall_clock() -> impl Fn() -> Instant {
    let start = std::time::Instant::now();
    move || {
        let elapsed = start.elapsed();
        assert!(elapsed < LIMIT, "the test takes too long");
        Instant::from_micros(elapsed.as_micros() as i64)
    }
}

pub(super) fn ipv4(host: u8) -> IpAddress {
    IpAddress::v4(192, 168, 69, host)
}

pub(super) fn ipv6(host: u8) -> IpAddress {
    Ipv6Address::new(0xfdaa, 0, 0, 0, 0, 0, 0, host.into()).into()
}

/// A stack with one host's addresses and one TCP socket.
pub(super) struct Stack {
    pub(super) iface: Interface,
    pub(super) sockets: SocketSet<'static>,
    pub(super) handle: SocketHandle,
}

impl Stack {
    pub(super) fn new(device: &mut impl Device, host: u8, now: Instant) -> Self {
        let address = match device.capabilities().medium {
            Medium::Ip => HardwareAddress::Ip,
            _ => EthernetAddress([2, 0, 0, 0, 0, host]).into(),
        };
        let mut config = Config::new(address);
        config.random_seed = host.into();
        let mut iface = Interface::new(config, device, now);
        iface.update_ip_addrs(|addresses| {
            addresses.push(IpCidr::new(ipv4(host), 24)).unwrap();
            addresses.push(IpCidr::new(ipv6(host), 64)).unwrap();
        });
        let mut sockets = SocketSet::new(Vec::new());
        let handle = sockets.add(socket());
        Self {
            iface,
            sockets,
            handle,
        }
    }

    pub(super) fn socket(&mut self) -> &mut tcp::Socket<'static> {
        self.sockets.get_mut(self.handle)
    }

    pub(super) fn connect(&mut self, address: IpAddress) {
        let context = self.iface.context();
        let socket = self.sockets.get_mut::<tcp::Socket>(self.handle);
        socket.connect(context, (address, PORT), 50_000).unwrap();
    }

    pub(super) fn poll_at(&mut self, now: Instant) -> Option<Instant> {
        self.iface.poll_at(now, &self.sockets)
    }

    /// Does everything that the stack can do at `now`, with `play` in the role of the application.
    pub(super) fn turn(
        &mut self,
        now: Instant,
        device: &mut impl Device,
        mut play: impl FnMut(&mut tcp::Socket<'static>),
    ) {
        self.iface.poll(now, device, &mut self.sockets);
        play(self.socket());
        self.iface.poll(now, device, &mut self.sockets);
    }
}

/// A socket with buffers of 64 KiB each way.
pub(super) fn socket() -> tcp::Socket<'static> {
    let buffer = || tcp::SocketBuffer::new(vec![0; 64 * 1024]);
    let mut socket = tcp::Socket::new(buffer(), buffer());
    // Whatever other features of smoltcp are on.
    socket.set_congestion_control(tcp::CongestionControl::None);
    socket
}

/// Sends back what has come in, as far as there is room, and closes after the peer.
pub(super) fn echo(socket: &mut tcp::Socket<'_>) {
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
pub(super) fn pattern(at: usize) -> u8 {
    ((at >> 8) ^ (at >> 16) ^ at) as u8
}

/// A client that streams bytes to an echo, checks each that comes back, and closes.
pub(super) struct Client {
    total: usize,
    sent: usize,
    received: usize,
    closed: bool,
}

impl Client {
    pub(super) fn new(total: usize) -> Self {
        Self {
            total,
            sent: 0,
            received: 0,
            closed: false,
        }
    }

    /// All bytes came back, and both sides have closed.
    pub(super) fn is_done(&self) -> bool {
        self.closed
    }

    pub(super) fn play(&mut self, socket: &mut tcp::Socket<'_>) {
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
