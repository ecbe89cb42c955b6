//! IPv6 on Ethernet, where smoltcp knows few neighbours.

use std::time::Duration;

use crate::kit::ether::{self, OURS, Wire};
use crate::kit::{PORT, Server};
use linecho_smoltcp::smoltcp::phy::ChecksumCapabilities;
use linecho_smoltcp::smoltcp::wire::{
    EthernetAddress, EthernetFrame, EthernetProtocol, Icmpv6Packet, Icmpv6Repr, IpCidr, IpProtocol,
    IpRepr, Ipv6Address, Ipv6Packet, NdiscNeighborFlags, NdiscRepr, TcpControl, TcpPacket, TcpRepr,
    TcpSeqNumber,
};
use linecho_smoltcp::{HashedListener, Listener, Options};

const MILLISECOND: Duration = Duration::from_millis(1);

const OUR_ADDRESS: Ipv6Address = Ipv6Address::new(0xfd00, 0, 0, 0, 0, 0, 0, 1);
const PEER: Ipv6Address = Ipv6Address::new(0xfd00, 0, 0, 0, 0, 0, 0, 2);
const PEER_HARDWARE: EthernetAddress = EthernetAddress([2, 0, 0, 0, 0, 2]);

fn plain() -> Wire<Listener<'static, 4>> {
    on_ipv6(ether::plain(Options::DEFAULT))
}

fn hashed() -> Wire<HashedListener<'static, 4>> {
    on_ipv6(ether::hashed(Options::DEFAULT, 4))
}

/// Gives it an address, whose group is reported for the last time before the test.
fn on_ipv6<L: Server>(mut wire: Wire<L>) -> Wire<L> {
    wire.host.iface.update_ip_addrs(|addresses| {
        addresses.push(IpCidr::new(OUR_ADDRESS.into(), 64)).unwrap();
    });
    wire.pass(Duration::from_secs(100));
    wire.others.clear();
    wire
}

on_both! {
    a_syn_is_answered_without_asking_for_its_address,
    a_solicitation_is_answered_to_who_asks,
}

/// Puts a packet of the peer on the link, whose payload is written by `emit`.
fn put<L: Server>(
    wire: &Wire<L>,
    (protocol, len): (IpProtocol, usize),
    emit: impl FnOnce(&mut [u8]),
) {
    let ip = IpRepr::new(PEER.into(), OUR_ADDRESS.into(), protocol, len, 255);
    let mut packet = vec![0; ip.buffer_len()];
    ip.emit(&mut packet[..], &ChecksumCapabilities::default());
    emit(&mut packet[ip.header_len()..]);
    wire.put(PEER_HARDWARE, OURS, EthernetProtocol::Ipv6, &packet);
}

/// Takes the only frame that the server has sent, which goes to the peer.
#[track_caller]
fn take_answer<L: Server>(wire: &mut Wire<L>) -> Vec<u8> {
    wire.pass(MILLISECOND);
    let [bytes] = &wire.others[..] else {
        panic!("{:?}", wire.others);
    };
    let frame = EthernetFrame::new_checked(&bytes[..]).unwrap();
    assert_eq!(frame.dst_addr(), PEER_HARDWARE);
    let ip = Ipv6Packet::new_checked(frame.payload()).unwrap();
    assert_eq!((ip.src_addr(), ip.dst_addr()), (OUR_ADDRESS, PEER));
    ip.payload().to_vec()
}

fn a_syn_is_answered_without_asking_for_its_address<L: Server>(mut wire: Wire<L>) {
    let checksums = ChecksumCapabilities::default();
    let syn = TcpRepr {
        src_port: 1,
        dst_port: PORT,
        control: TcpControl::Syn,
        seq_number: TcpSeqNumber(1000),
        ack_number: None,
        window_len: 10_000,
        window_scale: None,
        max_seg_size: None,
        sack_permitted: false,
        sack_ranges: [None; 3],
        timestamp: None,
        payload: &[],
    };
    put(&wire, (IpProtocol::Tcp, syn.buffer_len()), |bytes| {
        let mut segment = TcpPacket::new_unchecked(bytes);
        syn.emit(&mut segment, &PEER.into(), &OUR_ADDRESS.into(), &checksums);
    });
    let answer = take_answer(&mut wire);
    let segment = TcpPacket::new_checked(&answer[..]).unwrap();
    assert!(segment.syn());
    assert_eq!(segment.ack_number(), TcpSeqNumber(1001));
}

/// One that begins with the address of its sender is no duplicate address detection.
fn a_solicitation_is_answered_to_who_asks<L: Server>(mut wire: Wire<L>) {
    let checksums = ChecksumCapabilities::default();
    let solicitation = Icmpv6Repr::Ndisc(NdiscRepr::NeighborSolicit {
        target_addr: OUR_ADDRESS,
        lladdr: Some(PEER_HARDWARE.into()),
    });
    let len = solicitation.buffer_len();
    put(&wire, (IpProtocol::Icmpv6, len), |bytes| {
        let mut icmp = Icmpv6Packet::new_unchecked(bytes);
        solicitation.emit(&PEER, &OUR_ADDRESS, &mut icmp, &checksums);
    });
    let answer = take_answer(&mut wire);
    let icmp = Icmpv6Packet::new_checked(&answer[..]).unwrap();
    assert_eq!(
        Icmpv6Repr::parse(&OUR_ADDRESS, &PEER, &icmp, &checksums).unwrap(),
        Icmpv6Repr::Ndisc(NdiscRepr::NeighborAdvert {
            flags: NdiscNeighborFlags::SOLICITED,
            target_addr: OUR_ADDRESS,
            lladdr: Some(OURS.into()),
        })
    );
}
