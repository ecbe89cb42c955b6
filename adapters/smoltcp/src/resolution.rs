//! Address resolution that smoltcp 0.14 leaves out: requests for our hardware address that it does
//! not answer, and announcements that it ignores.

use linecho_core::Instant;
use smoltcp::iface::Interface;
use smoltcp::phy::ChecksumCapabilities;
#[cfg(feature = "proto-ipv4")]
use smoltcp::wire::{ArpOperation, ArpPacket, ArpRepr};
use smoltcp::wire::{EthernetAddress, EthernetFrame, EthernetProtocol, HardwareAddress, IpAddress};
#[cfg(feature = "proto-ipv6")]
use smoltcp::wire::{Icmpv6Packet, Icmpv6Repr, IpProtocol, Ipv6Address, Ipv6Packet, NdiscRepr};

use crate::neighbour::LONGEST_FRAME;
#[cfg(feature = "proto-ipv4")]
use crate::neighbour::next_hop;
#[cfg(feature = "proto-ipv6")]
use crate::neighbour::write_advertisement;
#[cfg(feature = "proto-ipv4")]
use crate::neighbour::write_arp_reply;
use crate::segment::Hardware;

/// A frame that the stack would ignore.
#[cfg_attr(
    not(feature = "proto-ipv4"),
    allow(dead_code, reason = "announcements are those of ARP")
)]
pub(crate) enum Resolution {
    /// A request, and the length of the reply to it.
    Request(usize),
    /// The announcement of an address (RFC 5227, 3).
    Announcement {
        local: IpAddress,
        address: IpAddress,
        hardware: Hardware,
    },
}

/// Recognises such a frame, and writes the reply to a request.
#[cfg_attr(
    not(all(feature = "proto-ipv4", feature = "proto-ipv6")),
    allow(unused_variables, reason = "each family needs some")
)]
pub(crate) fn examine(
    now: Instant,
    iface: &mut Interface,
    checksums: &ChecksumCapabilities,
    frame: &[u8],
    reply: &mut [u8; LONGEST_FRAME],
) -> Option<Resolution> {
    let frame = EthernetFrame::new_checked(frame).ok()?;
    #[allow(irrefutable_let_patterns, reason = "smoltcp may have other media")]
    let HardwareAddress::Ethernet(ours) = iface.hardware_addr() else {
        return None;
    };
    let to = frame.dst_addr();
    if to != ours && !to.is_multicast() {
        return None;
    }
    match frame.ethertype() {
        #[cfg(feature = "proto-ipv4")]
        EthernetProtocol::Arp => arp(now, iface, ours, frame.payload(), reply),
        #[cfg(feature = "proto-ipv6")]
        EthernetProtocol::Ipv6 => {
            duplicate_address_detection(iface, ours, checksums, frame.payload(), reply)
        }
        _ => None,
    }
}

/// An ARP probe (RFC 5227, 1.1), a request from an address outside our subnets to which there is a
/// route, or an announcement.
#[cfg(feature = "proto-ipv4")]
fn arp(
    now: Instant,
    iface: &mut Interface,
    ours: EthernetAddress,
    packet: &[u8],
    reply: &mut [u8],
) -> Option<Resolution> {
    let packet = ArpPacket::new_checked(packet).ok()?;
    let Ok(ArpRepr::EthernetIpv4 {
        operation,
        source_hardware_addr: theirs,
        source_protocol_addr: sender,
        target_protocol_addr: target,
        ..
    }) = ArpRepr::parse(&packet)
    else {
        return None;
    };
    let is_on_link = on_link(iface, sender.into());
    if iface.has_ip_addr(target) {
        let is_routed = sender.is_unspecified() || next_hop(now, iface, sender.into()).is_some();
        let is_request = operation == ArpOperation::Request && theirs.is_unicast();
        if is_request && is_routed && !is_on_link {
            return write_arp_reply((target, ours), (sender, theirs), reply)
                .map(Resolution::Request);
        }
        return None;
    }
    (sender == target && is_on_link).then_some(Resolution::Announcement {
        local: iface.ipv4_addr()?.into(),
        address: sender.into(),
        hardware: theirs.0,
    })
}

/// A neighbour solicitation from the unspecified address, for one of ours (RFC 4862, 5.4).
#[cfg(feature = "proto-ipv6")]
fn duplicate_address_detection(
    iface: &Interface,
    ours: EthernetAddress,
    checksums: &ChecksumCapabilities,
    packet: &[u8],
    reply: &mut [u8],
) -> Option<Resolution> {
    const ALL_NODES: Ipv6Address = Ipv6Address::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
    const ALL_NODES_HARDWARE: EthernetAddress = EthernetAddress([0x33, 0x33, 0, 0, 0, 1]);
    let packet = Ipv6Packet::new_checked(packet).ok()?;
    let (from, to) = (packet.src_addr(), packet.dst_addr());
    if !from.is_unspecified() || packet.next_header() != IpProtocol::Icmpv6 {
        return None;
    }
    let icmp = Icmpv6Packet::new_checked(packet.payload()).ok()?;
    match Icmpv6Repr::parse(&from, &to, &icmp, checksums).ok()? {
        Icmpv6Repr::Ndisc(NdiscRepr::NeighborSolicit { target_addr, .. })
            if packet.hop_limit() == 255 && iface.has_ip_addr(target_addr) =>
        {
            let to = (ALL_NODES, ALL_NODES_HARDWARE);
            write_advertisement((target_addr, ours), to, reply).map(Resolution::Request)
        }
        _ => None,
    }
}

#[cfg(feature = "proto-ipv4")]
fn on_link(iface: &Interface, address: IpAddress) -> bool {
    iface
        .ip_addrs()
        .iter()
        .any(|cidr| cidr.contains_addr(&address))
}
