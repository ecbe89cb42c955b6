//! An address from a DHCP server (RFC 2131).

use linecho_smoltcp::smoltcp::iface::{Interface, SocketHandle, SocketSet};
use linecho_smoltcp::smoltcp::socket::dhcpv4::{self, Event};
use linecho_smoltcp::smoltcp::wire::{IpAddress, IpCidr, Ipv4Address, Ipv4Cidr};

/// The DHCP client of an interface.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dhcp {
    socket: SocketHandle,
    address: Option<Ipv4Cidr>,
}

/// What has become of the lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lease {
    /// There is an address, or another one than before.
    Got {
        /// The address.
        address: Ipv4Cidr,
        /// The way to other networks, if the server knows one.
        gateway: Option<Ipv4Address>,
    },
    /// The lease has ended, and nobody has renewed it.
    Lost {
        /// The address that it was for.
        address: Ipv4Cidr,
    },
}

impl Dhcp {
    /// Puts its socket into `sockets`. It asks when they are next served.
    #[must_use]
    pub(crate) fn start(sockets: &mut SocketSet<'_>) -> Self {
        Self {
            socket: sockets.add(dhcpv4::Socket::new()),
            address: None,
        }
    }

    /// Looks whether an answer has come, and sets address and default route by it.
    pub(crate) fn turn(
        &mut self,
        iface: &mut Interface,
        sockets: &mut SocketSet<'_>,
    ) -> Option<Lease> {
        let socket = sockets.get_mut::<dhcpv4::Socket<'_>>(self.socket);
        let (address, gateway) = match socket.poll()? {
            Event::Configured(config) => (Some(config.address), config.router),
            Event::Deconfigured => (None, None),
        };
        let old = core::mem::replace(&mut self.address, address);
        iface.update_ip_addrs(|addresses| {
            addresses.retain(|own| old.map(IpCidr::from) != Some(*own));
            if let Some(address) = address {
                // The place of the old one, or one that the program has left free for it.
                let _ = addresses.push(address.into());
            }
        });
        let routes = iface.routes_mut();
        routes.remove_default_ipv4_route();
        if let Some(gateway) = gateway.filter(|it| IpAddress::from(*it).is_unicast()) {
            // The only one besides those that the program was given.
            let _ = routes.add_default_ipv4_route(gateway);
        }
        match address {
            Some(address) => Some(Lease::Got { address, gateway }),
            None => old.map(|address| Lease::Lost { address }),
        }
    }
}
