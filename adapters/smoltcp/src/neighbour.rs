//! The hardware addresses of peers, taken from their frames and given to the stack.
//!
//! smoltcp 0.14 learns them from ARP and neighbour discovery alone: it keeps 8 of them, and sends
//! one request a second for all peers together. The request for a peer would
//! wait behind those for addresses that do not exist. It is not needed: a segment has come from the
//! hardware address that the answer must go to.

use linecho_core::Instant;
use smoltcp::iface::{Interface, SocketSet};
use smoltcp::phy::{DeviceCapabilities, PacketMeta, TxToken};
#[cfg(feature = "proto-ipv6")]
use smoltcp::wire::IpCidr;
#[cfg(feature = "proto-ipv4")]
use smoltcp::wire::{ArpOperation, ArpPacket, ArpRepr, Ipv4Address};
use smoltcp::wire::{
    EthernetAddress, EthernetFrame, EthernetProtocol, EthernetRepr, HardwareAddress, IpAddress,
};
#[cfg(feature = "proto-ipv6")]
use smoltcp::{
    phy::ChecksumCapabilities,
    wire::{
        Icmpv6Packet, Icmpv6Repr, IpProtocol, Ipv6Address, Ipv6Packet, Ipv6Repr,
        NdiscNeighborFlags, NdiscRepr,
    },
};

use crate::inject::{Frame, OneFrame, To, Unsent};
use crate::segment::Hardware;
use crate::time::stack_time;

/// The headers of Ethernet and IPv6, and a neighbour advertisement with a hardware address.
pub(crate) const LONGEST_FRAME: usize = 14 + 40 + 32;

/// Tells the stack that `address`, on the link of our address `local`, is at `hardware`: by an ARP
/// reply or a neighbour advertisement in its name. On other media than Ethernet it does nothing.
///
/// An IPv4 address outside the stack's own subnets is refused by the stack, and so is IPv6 here.
pub(crate) fn tell<T: TxToken>(
    now: Instant,
    iface: &mut Interface,
    capabilities: &DeviceCapabilities,
    local: IpAddress,
    address: IpAddress,
    hardware: Hardware,
) {
    let mut bytes = [0; LONGEST_FRAME];
    let Some(len) = write(iface, local, address, hardware, &mut bytes) else {
        return;
    };
    let (bytes, _) = bytes.split_at(len);
    let meta = PacketMeta::default();
    let mut no_reply = Unsent::EMPTY;
    let mut device = OneFrame::<T> {
        frame: Some(Frame { bytes, meta }),
        to: Some(To::Unsent(&mut no_reply)),
        edit: None,
        capabilities,
    };
    let mut no_sockets = SocketSet::new(&mut [][..]);
    iface.poll_ingress_single(stack_time(now), &mut device, &mut no_sockets);
}

/// Writes the frame for [`tell`], and returns its length.
fn write(
    iface: &Interface,
    local: IpAddress,
    address: IpAddress,
    hardware: Hardware,
    frame: &mut [u8],
) -> Option<usize> {
    #[allow(irrefutable_let_patterns, reason = "smoltcp may have other media")]
    let HardwareAddress::Ethernet(ours) = iface.hardware_addr() else {
        return None;
    };
    let theirs = EthernetAddress(hardware);
    match (local, address) {
        #[cfg(feature = "proto-ipv4")]
        (IpAddress::Ipv4(local), IpAddress::Ipv4(address)) => {
            write_arp_reply((address, theirs), (local, ours), frame)
        }
        #[cfg(feature = "proto-ipv6")]
        (IpAddress::Ipv6(local), IpAddress::Ipv6(address)) => {
            let on_link = |cidr: &IpCidr| cidr.contains_addr(&address.into());
            let is_on_link = iface.ip_addrs().iter().any(on_link);
            let write = || write_advertisement((address, theirs), (local, ours), frame);
            is_on_link.then(write)?
        }
        #[allow(unreachable_patterns, reason = "there may be one family")]
        _ => None,
    }
}

/// Writes an ARP reply from one host to another, and returns its length.
#[cfg(feature = "proto-ipv4")]
pub(crate) fn write_arp_reply(
    (sender, from): (Ipv4Address, EthernetAddress),
    (target, to): (Ipv4Address, EthernetAddress),
    frame: &mut [u8],
) -> Option<usize> {
    let ethernet = EthernetRepr {
        src_addr: from,
        dst_addr: to,
        ethertype: EthernetProtocol::Arp,
    };
    let arp = ArpRepr::EthernetIpv4 {
        operation: ArpOperation::Reply,
        source_hardware_addr: from,
        source_protocol_addr: sender,
        target_hardware_addr: to,
        target_protocol_addr: target,
    };
    let at = ethernet.buffer_len();
    let end = at + arp.buffer_len();
    ethernet.emit(&mut EthernetFrame::new_unchecked(&mut *frame));
    arp.emit(&mut ArpPacket::new_unchecked(frame.get_mut(at..end)?));
    Some(end)
}

/// Writes a neighbour advertisement from one host to another, and returns its length.
#[cfg(feature = "proto-ipv6")]
pub(crate) fn write_advertisement(
    (sender, from): (Ipv6Address, EthernetAddress),
    (target, to): (Ipv6Address, EthernetAddress),
    frame: &mut [u8],
) -> Option<usize> {
    let ethernet = EthernetRepr {
        src_addr: from,
        dst_addr: to,
        ethertype: EthernetProtocol::Ipv6,
    };
    let advertisement = Icmpv6Repr::Ndisc(NdiscRepr::NeighborAdvert {
        flags: NdiscNeighborFlags::OVERRIDE,
        target_addr: sender,
        lladdr: Some(from.into()),
    });
    let ip = Ipv6Repr {
        src_addr: sender,
        dst_addr: target,
        next_header: IpProtocol::Icmpv6,
        payload_len: advertisement.buffer_len(),
        hop_limit: 255,
    };
    let ip_at = ethernet.buffer_len();
    let icmp_at = ip_at + ip.buffer_len();
    let end = icmp_at + advertisement.buffer_len();
    ethernet.emit(&mut EthernetFrame::new_unchecked(&mut *frame));
    ip.emit(&mut Ipv6Packet::new_unchecked(
        frame.get_mut(ip_at..icmp_at)?,
    ));
    let mut icmp = Icmpv6Packet::new_unchecked(frame.get_mut(icmp_at..end)?);
    advertisement.emit(
        &sender,
        &target,
        &mut icmp,
        &ChecksumCapabilities::default(),
    );
    Some(end)
}

/// Returns the address on the link through which `peer` is reached: its own, or that of a router.
pub(crate) fn next_hop(now: Instant, iface: &mut Interface, peer: IpAddress) -> Option<IpAddress> {
    if iface
        .ip_addrs()
        .iter()
        .any(|cidr| cidr.contains_addr(&peer))
    {
        return Some(peer);
    }
    let now = stack_time(now);
    let mut hop = None;
    iface.routes_mut().update(|routes| {
        let valid = routes
            .iter()
            .filter(|route| route.expires_at.is_none_or(|at| now <= at))
            .filter(|route| route.cidr.contains_addr(&peer));
        hop = valid.max_by_key(|route| route.cidr.prefix_len()).copied();
    });
    hop.map(|route| route.via_router)
}
