//! A stack of smoltcp with its sockets.

use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::phy::{Device, Medium};
use smoltcp::socket::tcp::{CongestionControl, Socket, SocketBuffer};
use smoltcp::time::Instant;
use smoltcp::wire::{EthernetAddress, HardwareAddress, IpCidr, IpEndpoint};

/// A stack of smoltcp with its sockets. The device stays with whoever owns it.
pub struct Host {
    /// The interface.
    pub iface: Interface,
    /// The sockets.
    pub sockets: SocketSet<'static>,
}

impl Host {
    /// Makes a host with `addresses`, as many as the interface has room for. `seed` decides its
    /// initial sequence numbers and, on Ethernet, the last byte of its hardware address.
    pub fn new(
        device: &mut impl Device,
        addresses: impl IntoIterator<Item = IpCidr>,
        seed: u64,
        now: Instant,
    ) -> Self {
        let address = match device.capabilities().medium {
            Medium::Ip => HardwareAddress::Ip,
            _ => EthernetAddress([2, 0, 0, 0, 0, seed as u8]).into(),
        };
        let mut config = Config::new(address);
        config.random_seed = seed;
        let mut iface = Interface::new(config, device, now);
        iface.update_ip_addrs(|own| {
            for address in addresses {
                _ = own.push(address);
            }
        });
        Self {
            iface,
            sockets: SocketSet::new(Vec::new()),
        }
    }

    /// Returns a TCP socket of the host.
    ///
    /// # Panics
    ///
    /// When `handle` is that of no TCP socket.
    pub fn socket(&mut self, handle: SocketHandle) -> &mut Socket<'static> {
        self.sockets.get_mut(handle)
    }

    /// Opens a connection from `port` to `remote`.
    ///
    /// # Panics
    ///
    /// When the socket is in use, or the host has no address of that kind.
    pub fn connect(&mut self, handle: SocketHandle, remote: impl Into<IpEndpoint>, port: u16) {
        let context = self.iface.context();
        let socket = self.sockets.get_mut::<Socket<'_>>(handle);
        let connected = socket.connect(context, remote.into(), port);
        connected.expect("the socket is closed, and the host has an address");
    }

    /// Does all that the stack can do at `now`.
    pub fn poll(&mut self, now: Instant, device: &mut impl Device) {
        self.iface.poll(now, device, &mut self.sockets);
    }

    /// Returns the time at which the stack wants to be polled next, if it waits for more than a
    /// frame.
    pub fn poll_at(&mut self, now: Instant) -> Option<Instant> {
        self.iface.poll_at(now, &self.sockets)
    }
}

/// Makes a TCP socket with buffers of so many bytes, without congestion control: a build of a whole
/// workspace may have turned it on, and a seed must mean the same in each build.
#[must_use]
pub fn tcp_socket(receive: usize, send: usize) -> Socket<'static> {
    let buffer = |len| SocketBuffer::new(vec![0; len]);
    let mut socket = Socket::new(buffer(receive), buffer(send));
    socket.set_congestion_control(CongestionControl::None);
    socket
}
