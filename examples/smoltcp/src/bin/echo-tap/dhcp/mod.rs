//! An address from a DHCP server: a raw socket for the client, and the interface that its leases
//! are for.
//!
//! smoltcp's own client takes the refusal of any server, a lease of no time, and no lease without a
//! mask.

mod client;
mod datagram;
mod message;

use linecho_smoltcp::smoltcp::iface::{Interface, SocketHandle, SocketSet};
use linecho_smoltcp::smoltcp::socket::raw::{PacketBuffer, PacketMetadata, Socket};
use linecho_smoltcp::smoltcp::wire::{
    EthernetAddress, IpAddress, IpCidr, IpProtocol, IpVersion, Ipv4Address,
};
use linecho_smoltcp::{Instant, Wake};

use self::client::{Client, Outgoing};
pub(crate) use self::client::{Event, Lease};

/// The bytes of packets that may wait, each way.
const BUFFER: usize = 16 * 1024;

/// The DHCP client of an interface.
#[derive(Debug)]
pub(crate) struct Dhcp {
    socket: SocketHandle,
    client: Client,
    /// The address and route that the lease has given the interface: those of the user stay.
    address: Option<IpCidr>,
    has_route: bool,
    /// Frames that the link had lost for being down when we last looked.
    lost: u64,
}

impl Dhcp {
    /// Puts its socket into `sockets`. It asks when they are next served.
    pub(crate) fn start(
        hardware: EthernetAddress,
        random: u64,
        now: Instant,
        sockets: &mut SocketSet<'_>,
    ) -> Self {
        let buffer = || PacketBuffer::new(vec![PacketMetadata::EMPTY; 64], vec![0; BUFFER]);
        let (version, protocol) = (Some(IpVersion::Ipv4), Some(IpProtocol::Udp));
        let socket = Socket::new(version, protocol, buffer(), buffer());
        Self {
            socket: sockets.add(socket),
            client: Client::new(hardware, random, now),
            address: None,
            has_route: false,
            lost: 0,
        }
    }

    /// Takes in what servers have sent, sends what is due, and keeps the interface to the lease.
    /// Calls `tell` with each event. `lost` counts the frames that the link has lost for being
    /// down.
    ///
    /// Returns when it is next due.
    pub(crate) fn turn(
        &mut self,
        now: Instant,
        iface: &mut Interface,
        sockets: &mut SocketSet<'_>,
        lost: impl Fn() -> u64,
        mut tell: impl FnMut(Event),
    ) -> Wake {
        let mut tell = |dhcp: &mut Self, iface: &mut Interface, event| {
            match event {
                Event::Got(lease) => dhcp.set(iface, lease),
                Event::Lost(_) => dhcp.unset(iface),
                _ => {}
            }
            tell(event);
        };
        let socket = sockets.get_mut::<Socket<'_>>(self.socket);
        while let Ok(packet) = socket.recv() {
            if let Some(message) = datagram::unwrap(packet) {
                for event in self.client.receive(now, message).into_iter().flatten() {
                    tell(self, iface, event);
                }
            }
        }
        if self.client.is_searching() {
            let lost = lost();
            if lost != self.lost {
                self.lost = lost;
                self.client.link_is_down(now);
            }
        }
        let (message, event) = self.client.poll(now);
        if let Some(event) = event {
            tell(self, iface, event);
        }
        match message {
            Some(message) => {
                send(socket, &message);
                Wake::Again
            }
            None => Wake::from(self.client.deadline()),
        }
    }

    fn set(&mut self, iface: &mut Interface, lease: Lease) {
        self.unset(iface);
        let leased = IpAddress::from(lease.address.address());
        let is_the_users = iface.ip_addrs().iter().any(|own| own.address() == leased);
        if !is_the_users {
            let address = IpCidr::from(lease.address);
            iface.update_ip_addrs(|addresses| {
                // The program has left room for it.
                let _ = addresses.push(address);
            });
            self.address = Some(address);
        }
        if let Some(gateway) = lease.gateway.filter(|_| !has_default_route(iface)) {
            self.has_route = iface.routes_mut().add_default_ipv4_route(gateway).is_ok();
        }
    }

    fn unset(&mut self, iface: &mut Interface) {
        if let Some(address) = self.address.take() {
            iface.update_ip_addrs(|addresses| addresses.retain(|own| *own != address));
        }
        if std::mem::take(&mut self.has_route) {
            iface.routes_mut().remove_default_ipv4_route();
        }
    }
}

/// Returns `true` if there is a default route of IPv4.
fn has_default_route(iface: &mut Interface) -> bool {
    let mut found = false;
    iface.routes_mut().update(|routes| {
        let default = IpCidr::new(Ipv4Address::UNSPECIFIED.into(), 0);
        found = routes.iter().any(|route| route.cidr == default);
    });
    found
}

fn send(socket: &mut Socket<'_>, message: &Outgoing) {
    let (from, to) = match message.route {
        Some(route) => route,
        None => (Ipv4Address::UNSPECIFIED, Ipv4Address::BROADCAST),
    };
    // A full socket has an interface that sends nothing: there will be another try.
    let _ = socket.send_slice(&datagram::wrap(&message.bytes, from, to));
}
