//! A stack of smoltcp with one address.

use linecho_smoltcp::smoltcp::iface::{Config, Interface, SocketSet};
use linecho_smoltcp::smoltcp::phy::Device;
use linecho_smoltcp::smoltcp::time;
use linecho_smoltcp::smoltcp::wire::{HardwareAddress, IpAddress, IpCidr};

pub(super) struct Host {
    pub(super) iface: Interface,
    pub(super) sockets: SocketSet<'static>,
    pub(super) address: IpAddress,
}

impl Host {
    /// The host with this number on the link.
    pub(super) fn new(device: &mut impl Device, number: u8, v6: bool, seed: u64) -> Self {
        let mut config = Config::new(HardwareAddress::Ip);
        config.random_seed = seed;
        let mut iface = Interface::new(config, device, time::Instant::ZERO);
        let (address, prefix) = if v6 {
            (IpAddress::v6(0xfd00, 0, 0, 0, 0, 0, 0, number.into()), 64)
        } else {
            (IpAddress::v4(10, 0, 0, number), 8)
        };
        // There is room for two addresses.
        iface.update_ip_addrs(|addresses| {
            let _ = addresses.push(IpCidr::new(address, prefix));
        });
        Self {
            iface,
            sockets: SocketSet::new(Vec::new()),
            address,
        }
    }
}
