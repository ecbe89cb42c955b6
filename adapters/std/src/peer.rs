//! The address of a peer, in a small form that each idle connection keeps.

use std::net::{Ipv6Addr, SocketAddr, SocketAddrV6};

use crate::endpoint::Endpoint;

/// A peer's address and port in 18 bytes, where [`SocketAddr`] takes 32.
///
/// An IPv4 address is kept as an IPv4-mapped one (RFC 4291, 2.5.5.2). The scope of a link-local
/// address, the interface it is on, is kept in the four bytes that are always zero in such an
/// address (RFC 4291, 2.5.6), as the BSD kernels do. The flow label is not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Peer {
    ip: [u8; 16],
    port: u16,
}

impl Peer {
    /// The other end of a UNIX socket. No TCP peer has port 0.
    pub(crate) const UNIX: Self = Self {
        ip: [0; 16],
        port: 0,
    };
}

impl Peer {
    /// Returns the part of the address that stands for one peer: all of an IPv4 or link-local
    /// address, and the first 64 bits of any other IPv6 address, since a host may use all addresses
    /// of its network (RFC 4291, 2.5.1). `None` for a UNIX socket.
    pub(crate) fn host(self) -> Option<[u8; 16]> {
        if self == Self::UNIX {
            return None;
        }
        let mut ip = self.ip;
        let address = Ipv6Addr::from(ip);
        if address.to_ipv4_mapped().is_none() && !address.is_unicast_link_local() {
            ip[8..].fill(0);
        }
        Some(ip)
    }
}

impl From<SocketAddr> for Peer {
    fn from(address: SocketAddr) -> Self {
        let ip = match address {
            SocketAddr::V4(address) => address.ip().to_ipv6_mapped().octets(),
            SocketAddr::V6(address) => {
                let mut ip = address.ip().octets();
                if address.ip().is_unicast_link_local() {
                    ip[2..6].copy_from_slice(&address.scope_id().to_be_bytes());
                }
                ip
            }
        };
        let port = address.port();
        Self { ip, port }
    }
}

impl From<Peer> for SocketAddr {
    fn from(Peer { mut ip, port }: Peer) -> Self {
        let address = Ipv6Addr::from(ip);
        if let Some(address) = address.to_ipv4_mapped() {
            return (address, port).into();
        }
        if !address.is_unicast_link_local() {
            return (address, port).into();
        }
        let scope = u32::from_be_bytes([ip[2], ip[3], ip[4], ip[5]]);
        ip[2..6].fill(0);
        SocketAddrV6::new(ip.into(), port, 0, scope).into()
    }
}

impl From<Peer> for Endpoint {
    fn from(peer: Peer) -> Self {
        match peer {
            Peer::UNIX => Self::Unix(None),
            peer => Self::Ip(peer.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_survives() {
        for text in [
            "127.0.0.1:1",
            "255.255.255.255:65535",
            "[::1]:80",
            "[2001:db8::1:2]:443",
            "[fe80::1]:7",
            "[fe80::1:2:3:4%4294967295]:7",
        ] {
            let address: SocketAddr = text.parse().unwrap();
            assert_eq!(SocketAddr::from(Peer::from(address)), address);
        }
    }

    #[test]
    fn a_mapped_address_is_shown_as_what_it_is() {
        let mapped: SocketAddr = "[::ffff:192.0.2.1]:5".parse().unwrap();
        assert_eq!(
            SocketAddr::from(Peer::from(mapped)),
            "192.0.2.1:5".parse().unwrap()
        );
    }
}
