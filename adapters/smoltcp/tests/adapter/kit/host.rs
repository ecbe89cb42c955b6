//! A stack in memory.

use linecho_devices::testing::{self, End};
use linecho_smoltcp::smoltcp::iface::{Interface, SocketSet};
use linecho_smoltcp::smoltcp::phy::Medium;
use linecho_smoltcp::smoltcp::socket::tcp;
use linecho_smoltcp::smoltcp::time::Instant as StackInstant;
use linecho_smoltcp::smoltcp::wire::{IpAddress, IpCidr};

use super::MTU;

/// A stack of its own.
pub(crate) struct Host {
    pub(crate) iface: Interface,
    pub(crate) device: End,
    pub(crate) sockets: SocketSet<'static>,
}

impl Host {
    pub(crate) fn new(address: IpAddress) -> Self {
        Self::on(Medium::Ip, address, 7)
    }

    /// On Ethernet, `seed` is the last byte of its hardware address.
    pub(crate) fn on(medium: Medium, address: IpAddress, seed: u64) -> Self {
        let mut device = End::new(medium, MTU);
        let addresses = [IpCidr::new(address, 8)];
        let host = testing::Host::new(&mut device, addresses, seed, StackInstant::ZERO);
        Self {
            iface: host.iface,
            device,
            sockets: host.sockets,
        }
    }

    pub(crate) fn replace_address(&mut self, address: IpAddress) {
        self.iface.update_ip_addrs(|addresses| {
            addresses.clear();
            addresses.push(IpCidr::new(address, 8)).unwrap();
        });
    }
}

pub(crate) fn tcp_socket(buffer: usize) -> tcp::Socket<'static> {
    let ring = || tcp::SocketBuffer::new(vec![0; buffer]);
    tcp::Socket::new(ring(), ring())
}
