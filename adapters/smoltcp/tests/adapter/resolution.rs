//! Address resolution: who asks for our hardware address gets it, and who announces a new one is
//! heard.

use std::time::Duration;

use crate::kit::Server;
use crate::kit::ether::{self, OUR_ADDRESS, OURS, Peer, Wire};
use linecho_smoltcp::smoltcp::phy::ChecksumCapabilities;
use linecho_smoltcp::smoltcp::wire::{
    ArpOperation, ArpRepr, EthernetAddress, EthernetFrame, EthernetProtocol, Icmpv6Packet,
    Icmpv6Repr, IpCidr, IpProtocol, Ipv4Address, Ipv6Address, Ipv6Packet, Ipv6Repr,
    NdiscNeighborFlags, NdiscRepr,
};
use linecho_smoltcp::{HashedListener, Listener, Options};

const SECOND: Duration = Duration::from_secs(1);
const MILLISECOND: Duration = Duration::from_millis(1);

fn plain() -> Wire<Listener<'static, 4>> {
    ether::plain(Options::DEFAULT)
}

fn hashed() -> Wire<HashedListener<'static, 4>> {
    ether::hashed(Options::DEFAULT, 4)
}

on_both! {
    a_request_from_another_subnet_is_answered_where_there_is_a_route,
    only_a_request_for_us_is_answered,
    a_probe_for_our_address_is_answered,
    duplicate_address_detection_finds_our_address,
    an_announcement_is_heard,
    requests_among_others_make_it_forget_nobody,
}

/// Puts an ARP request of `peer` for our address, and returns the reply.
fn ask<L: Server>(wire: &mut Wire<L>, peer: &Peer) -> Option<ArpRepr> {
    wire.put_arp(peer, ArpOperation::Request, OUR_ADDRESS);
    wire.pass(MILLISECOND);
    wire.arp.pop()
}

fn reply_to(peer: &Peer) -> ArpRepr {
    ArpRepr::EthernetIpv4 {
        operation: ArpOperation::Reply,
        source_hardware_addr: OURS,
        source_protocol_addr: OUR_ADDRESS,
        target_hardware_addr: peer.hardware,
        target_protocol_addr: peer.address,
    }
}

fn a_request_from_another_subnet_is_answered_where_there_is_a_route<L: Server>(mut wire: Wire<L>) {
    let mut peer = Peer::new(9);
    assert_eq!(ask(&mut wire, &peer), Some(reply_to(&peer)));
    peer.address = Ipv4Address::new(192, 168, 0, 9);
    assert_eq!(ask(&mut wire, &peer), None);
    let router = Ipv4Address::new(10, 0, 0, 254);
    let routes = wire.host.iface.routes_mut();
    routes.add_default_ipv4_route(router).unwrap();
    assert_eq!(ask(&mut wire, &peer), Some(reply_to(&peer)));
    let expires_at = Some(wire.clock.now() + SECOND.into());
    wire.host.iface.routes_mut().update(|routes| {
        routes[0].expires_at = expires_at;
    });
    assert_eq!(ask(&mut wire, &peer), Some(reply_to(&peer)));
    wire.pass(2 * SECOND);
    assert_eq!(ask(&mut wire, &peer), None, "the route has expired");
}

/// Where smoltcp itself answers none.
fn only_a_request_for_us_is_answered<L: Server>(mut wire: Wire<L>) {
    let mut peer = Peer::new(9);
    peer.address = Ipv4Address::new(192, 168, 0, 9);
    let router = Ipv4Address::new(10, 0, 0, 254);
    let routes = wire.host.iface.routes_mut();
    routes.add_default_ipv4_route(router).unwrap();
    let elsewhere = EthernetAddress([2, 0, 0, 0, 0, 7]);
    for (to, operation, answers) in [
        (OURS, ArpOperation::Request, 1),
        (elsewhere, ArpOperation::Request, 0),
        (OURS, ArpOperation::Reply, 0),
    ] {
        wire.put_arp_to(to, &peer, operation, OUR_ADDRESS);
        wire.pass(MILLISECOND);
        assert_eq!(wire.arp.drain(..).count(), answers, "{operation:?} to {to}");
    }
}

fn a_probe_for_our_address_is_answered<L: Server>(mut wire: Wire<L>) {
    let mut prober = Peer::new(9);
    prober.address = Ipv4Address::UNSPECIFIED;
    assert_eq!(ask(&mut wire, &prober), Some(reply_to(&prober)));
    // Not for another address.
    wire.put_arp(
        &prober,
        ArpOperation::Request,
        Ipv4Address::new(10, 0, 0, 7),
    );
    wire.pass(MILLISECOND);
    assert!(wire.arp.is_empty());
}

#[test]
fn an_announcement_moves_a_peer_to_its_new_hardware_address() {
    let mut wire = hashed();
    let mut peer = Peer::new(9);
    wire.connect(&mut peer, SECOND);
    // The echo goes to the old address, where nobody is any more.
    wire.send(&mut peer, b"line\n");
    wire.pass(MILLISECOND);
    assert_eq!(wire.take(&peer)[0].hardware, peer.hardware);
    peer.hardware = EthernetAddress([2, 0, 0, 0, 9, 9]);
    wire.put_arp(&peer, ArpOperation::Request, peer.address);
    let retransmission = |wire: &mut Wire<_>| {
        wire.pass(2 * SECOND);
        let segments = wire.take(&peer);
        assert_eq!(segments[0].payload, b"line\n");
        assert_eq!(segments[0].hardware, peer.hardware);
    };
    retransmission(&mut wire);
    // Also when the stack has forgotten it.
    for number in 200..209 {
        wire.put_arp(&Peer::new(number), ArpOperation::Request, OUR_ADDRESS);
    }
    retransmission(&mut wire);
}

/// The next retransmission goes where the announcement says.
fn an_announcement_is_heard<L: Server>(mut wire: Wire<L>) {
    let mut peer = Peer::new(9);
    wire.connect(&mut peer, SECOND);
    wire.send(&mut peer, b"line\n");
    wire.pass(MILLISECOND);
    assert_eq!(wire.take(&peer)[0].hardware, peer.hardware);
    peer.hardware = EthernetAddress([2, 0, 0, 0, 9, 9]);
    wire.put_arp(&peer, ArpOperation::Request, peer.address);
    wire.pass(2 * SECOND);
    let segments = wire.take(&peer);
    assert_eq!(segments[0].payload, b"line\n");
    assert_eq!(segments[0].hardware, peer.hardware);
}

/// The retransmission leaves without a request for its address.
fn requests_among_others_make_it_forget_nobody<L: Server>(mut wire: Wire<L>) {
    let mut peer = Peer::new(9);
    wire.connect(&mut peer, SECOND);
    wire.send(&mut peer, b"line\n");
    wire.pass(MILLISECOND);
    wire.segments.clear();
    for number in 200..209 {
        let other = Ipv4Address::new(10, 0, 0, 7);
        wire.put_arp(&Peer::new(number), ArpOperation::Request, other);
    }
    wire.pass(2 * SECOND);
    assert_eq!(wire.take(&peer)[0].payload, b"line\n");
    assert_eq!(wire.requests(), 0);
}

fn duplicate_address_detection_finds_our_address<L: Server>(mut wire: Wire<L>) {
    let ours = Ipv6Address::new(0xfd00, 0, 0, 0, 0, 0, 0, 1);
    wire.host.iface.update_ip_addrs(|addresses| {
        addresses.push(IpCidr::new(ours.into(), 64)).unwrap();
    });
    // Until its group has been reported for the last time.
    wire.pass(100 * SECOND);
    wire.others.clear();
    solicit(&wire, Ipv6Address::new(0xfd00, 0, 0, 0, 0, 0, 0, 7));
    wire.pass(MILLISECOND);
    assert!(wire.others.is_empty());
    solicit(&wire, ours);
    wire.pass(MILLISECOND);
    let bytes = wire.others.pop().unwrap();
    let frame = EthernetFrame::new_checked(&bytes[..]).unwrap();
    assert_eq!(frame.src_addr(), OURS);
    assert_eq!(frame.dst_addr(), EthernetAddress([0x33, 0x33, 0, 0, 0, 1]));
    let ip = Ipv6Packet::new_checked(frame.payload()).unwrap();
    assert_eq!(ip.dst_addr(), Ipv6Address::new(0xff02, 0, 0, 0, 0, 0, 0, 1));
    let icmp = Icmpv6Packet::new_checked(ip.payload()).unwrap();
    let (from, to) = (ip.src_addr(), ip.dst_addr());
    let checksums = ChecksumCapabilities::default();
    assert_eq!(
        Icmpv6Repr::parse(&from, &to, &icmp, &checksums).unwrap(),
        Icmpv6Repr::Ndisc(NdiscRepr::NeighborAdvert {
            flags: NdiscNeighborFlags::OVERRIDE,
            target_addr: ours,
            lladdr: Some(OURS.into()),
        })
    );
}

/// Puts the neighbour solicitation of a host that is about to take `target` for itself.
fn solicit<L: Server>(wire: &Wire<L>, target: Ipv6Address) {
    let solicitation = Icmpv6Repr::Ndisc(NdiscRepr::NeighborSolicit {
        target_addr: target,
        lladdr: None,
    });
    let [.., a, b, c] = target.octets();
    let [high, low] = [u16::from(a) | 0xff00, u16::from_be_bytes([b, c])];
    let ip = Ipv6Repr {
        src_addr: Ipv6Address::UNSPECIFIED,
        dst_addr: Ipv6Address::new(0xff02, 0, 0, 0, 0, 1, high, low),
        next_header: IpProtocol::Icmpv6,
        payload_len: solicitation.buffer_len(),
        hop_limit: 255,
    };
    let mut packet = vec![0; ip.buffer_len() + solicitation.buffer_len()];
    ip.emit(&mut Ipv6Packet::new_unchecked(&mut packet[..]));
    solicitation.emit(
        &ip.src_addr,
        &ip.dst_addr,
        &mut Icmpv6Packet::new_unchecked(&mut packet[ip.buffer_len()..]),
        &ChecksumCapabilities::default(),
    );
    let group = EthernetAddress([0x33, 0x33, 0xff, a, b, c]);
    let from = EthernetAddress([2, 0, 0, 0, 0, 9]);
    wire.put(from, group, EthernetProtocol::Ipv6, &packet);
}
