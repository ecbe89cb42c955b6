use super::*;
use crate::segment::tests::{IPV4, IPV6, acknowledging, frame};
use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::{
    Icmpv4DstUnreachable, Icmpv4Repr, Icmpv6Repr, IpRepr, Ipv4Repr, Ipv6Repr, TcpControl, TcpRepr,
};

/// A segment of a thousand bytes, as this host sends it.
fn sent((own, peer): (IpAddress, IpAddress)) -> Vec<u8> {
    let payload = [0; 1000];
    let segment = TcpRepr {
        payload: &payload,
        ..acknowledging(TcpControl::Psh, 1, 1000)
    };
    frame(&segment, (own, peer))
}

/// The report of a router about a packet that it could not forward. It comes from the peer's
/// address, since the address of the router does not matter.
fn report(lost: &[u8], mtu: u16) -> Vec<u8> {
    let checksums = ChecksumCapabilities::default();
    let mut bytes = lost[..14].to_vec();
    if lost[12..14] == [8, 0] {
        let ip = Ipv4Packet::new_unchecked(&lost[14..]);
        let header = Ipv4Repr::parse(&ip, &checksums).unwrap();
        let icmp = Icmpv4Repr::DstUnreachable {
            reason: Icmpv4DstUnreachable::FragRequired,
            header,
            data: &ip.payload()[..8],
        };
        let outer = Ipv4Repr {
            src_addr: ip.dst_addr(),
            dst_addr: ip.src_addr(),
            next_header: IpProtocol::Icmp,
            payload_len: icmp.buffer_len(),
            hop_limit: 64,
        };
        bytes.resize(14 + 20 + icmp.buffer_len(), 0);
        IpRepr::Ipv4(outer).emit(&mut bytes[14..], &checksums);
        let mut packet = Icmpv4Packet::new_unchecked(&mut bytes[34..]);
        icmp.emit(&mut packet, &checksums);
        // smoltcp leaves the field empty: it never forwards.
        bytes[34 + 6..][..2].copy_from_slice(&mtu.to_be_bytes());
        Icmpv4Packet::new_unchecked(&mut bytes[34..]).fill_checksum();
    } else {
        let ip = Ipv6Packet::new_unchecked(&lost[14..]);
        let icmp = Icmpv6Repr::PktTooBig {
            mtu: mtu.into(),
            header: Ipv6Repr::parse(&ip).unwrap(),
            data: &ip.payload()[..600],
        };
        let (source, destination) = (ip.dst_addr(), ip.src_addr());
        let outer = Ipv6Repr {
            src_addr: source,
            dst_addr: destination,
            next_header: IpProtocol::Icmpv6,
            payload_len: icmp.buffer_len(),
            hop_limit: 64,
        };
        bytes.resize(14 + 40 + icmp.buffer_len(), 0);
        IpRepr::Ipv6(outer).emit(&mut bytes[14..], &checksums);
        let mut packet = Icmpv6Packet::new_unchecked(&mut bytes[54..]);
        icmp.emit(&source, &destination, &mut packet, &checksums);
    }
    bytes
}

#[test]
fn a_report_lowers_the_segments_to_that_peer() {
    for ((own, peer), mtu, expected) in [(IPV4, 900, 860), (IPV4, 68, 536), (IPV6, 1280, 1220)] {
        let sent = sent((own, peer));
        let segment = Segment::find(&sent).unwrap();
        let long = NonZeroU16::new(1460);
        let mut paths = PathMtus::new();
        assert_eq!(paths.segment_len(&segment, long), long);
        paths.learn(&report(&sent, mtu));
        assert_eq!(paths.segment_len(&segment, long), NonZeroU16::new(expected));
        let short = NonZeroU16::new(100);
        assert_eq!(paths.segment_len(&segment, short), short);
        // A frame that is not to be cut into segments (`None`) is, if it is too long for the path.
        let whole = paths.segment_len(&segment, None);
        assert_eq!(whole, NonZeroU16::new(expected).filter(|_| expected < 1000));

        let other = Segment {
            destination: IpAddress::v4(10, 0, 0, 99),
            ..segment
        };
        assert_eq!(paths.segment_len(&other, long), long);
    }
}

#[test]
fn the_newest_report_counts_and_the_oldest_path_is_forgotten() {
    let mut paths = PathMtus::new();
    let lost = |host| sent((IPV4.0, IpAddress::v4(10, 0, 0, host)));
    let mtu =
        |paths: &PathMtus, host| paths.segment_len(&Segment::find(&lost(host)).unwrap(), None);
    paths.learn(&report(&lost(1), 800));
    paths.learn(&report(&lost(1), 700));
    assert_eq!(mtu(&paths, 1), NonZeroU16::new(660));
    for host in 2..=PATHS as u8 + 1 {
        paths.learn(&report(&lost(host), 600));
    }
    assert_eq!(mtu(&paths, 1), None);
    assert_eq!(mtu(&paths, 2), NonZeroU16::new(560));
}

/// A forged report can make segments shorter, but cannot stop them.
#[test]
fn what_is_no_report_teaches_nothing_and_breaks_nothing() {
    for addresses in [IPV4, IPV6] {
        let sent = sent(addresses);
        assert_eq!(reported(&sent), None);
        let right = report(&sent, 1280);
        assert!(reported(&right).is_some());
        for len in 0..right.len() {
            reported(&right[..len]);
        }
        // Behind the IP header, the checksum finds every flipped bit.
        let icmp = right.len() - right.len().min(600);
        for bit in 8 * icmp.max(54)..8 * right.len() {
            let mut wrong = right.clone();
            wrong[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(reported(&wrong), None, "bit {bit}");
        }
    }
    // A report about a packet of another host.
    let foreign = sent((IpAddress::v4(10, 0, 0, 3), IPV4.1));
    let mut report = report(&foreign, 600);
    report[14 + 16..][..4].copy_from_slice(&[10, 0, 0, 1]);
    assert_eq!(reported(&report), None);
}
