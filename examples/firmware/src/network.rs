//! The network interface, and a word to the neighbours.

use linecho_smoltcp::smoltcp::iface::{Config, Interface};
use linecho_smoltcp::smoltcp::phy::{Device, TxToken};
use linecho_smoltcp::smoltcp::wire::{
    ArpOperation, ArpPacket, ArpRepr, EthernetAddress, EthernetFrame, EthernetProtocol,
    EthernetRepr,
};
use linecho_smoltcp::{Instant, stack_time};

use crate::config::{ADDRESS, GATEWAY, MAC_ADDRESS};

/// The interface with its static address.
pub fn interface(device: &mut impl Device, now: Instant) -> Interface {
    let config = Config::new(MAC_ADDRESS.into());
    // A board with a source of randomness sets `config.random_seed` here. These two have none, so
    // that their TCP sequence numbers can be guessed.
    let mut interface = Interface::new(config, device, stack_time(now));
    // A new interface has room for an address and a route.
    interface.update_ip_addrs(|addresses| {
        let _ = addresses.push(ADDRESS.into());
    });
    let _ = interface.routes_mut().add_default_ipv4_route(GATEWAY);
    interface
}

/// Tells all neighbours our address before the first of them asks (a gratuitous ARP, RFC 5227).
pub fn announce(device: &mut impl Device, now: Instant) {
    let arp = ArpRepr::EthernetIpv4 {
        operation: ArpOperation::Request,
        source_hardware_addr: MAC_ADDRESS,
        source_protocol_addr: ADDRESS.address(),
        target_hardware_addr: EthernetAddress([0; 6]),
        target_protocol_addr: ADDRESS.address(),
    };
    let ethernet = EthernetRepr {
        src_addr: MAC_ADDRESS,
        dst_addr: EthernetAddress::BROADCAST,
        ethertype: EthernetProtocol::Arp,
    };
    if let Some(token) = device.transmit(stack_time(now)) {
        token.consume(ethernet.buffer_len() + arp.buffer_len(), |bytes| {
            let mut frame = EthernetFrame::new_unchecked(bytes);
            ethernet.emit(&mut frame);
            arp.emit(&mut ArpPacket::new_unchecked(frame.payload_mut()));
        });
    }
}
