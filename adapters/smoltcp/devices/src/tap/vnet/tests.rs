use super::*;
use smoltcp::wire::{
    EthernetFrame, EthernetProtocol, IpProtocol, Ipv4Address, Ipv4Packet, Ipv6Address, Ipv6Packet,
    TcpPacket, UdpPacket,
};

const PAYLOAD: usize = 100;
const TCP_LEN: usize = 20 + PAYLOAD;

fn addresses(version: u8) -> (IpAddress, IpAddress) {
    match version {
        4 => (
            Ipv4Address::new(10, 0, 0, 1).into(),
            Ipv4Address::new(10, 0, 0, 2).into(),
        ),
        _ => {
            let address = |host| Ipv6Address::new(0xfdaa, 0, 0, 0, 0, 0, 0, host).into();
            (address(1), address(2))
        }
    }
}

/// An Ethernet frame around `payload`, where `extension` goes before it in IPv6.
fn frame(version: u8, protocol: IpProtocol, extension: &[u8], payload: &[u8]) -> Vec<u8> {
    let header = if version == 4 { 20 } else { 40 };
    let len = extension.len() + payload.len();
    let mut bytes = vec![0; 14 + header];
    bytes.extend([extension, payload].concat());
    let mut ethernet = EthernetFrame::new_unchecked(&mut bytes);
    match addresses(version) {
        (IpAddress::Ipv4(source), IpAddress::Ipv4(destination)) => {
            ethernet.set_ethertype(EthernetProtocol::Ipv4);
            let mut ip = Ipv4Packet::new_unchecked(ethernet.payload_mut());
            ip.set_version(4);
            ip.set_header_len(20);
            ip.set_total_len((header + len) as u16);
            ip.set_next_header(protocol);
            ip.set_src_addr(source);
            ip.set_dst_addr(destination);
        }
        (IpAddress::Ipv6(source), IpAddress::Ipv6(destination)) => {
            ethernet.set_ethertype(EthernetProtocol::Ipv6);
            let mut ip = Ipv6Packet::new_unchecked(ethernet.payload_mut());
            ip.set_version(6);
            ip.set_payload_len(len as u16);
            ip.set_next_header(protocol);
            ip.set_src_addr(source);
            ip.set_dst_addr(destination);
        }
        _ => unreachable!(),
    }
    bytes
}

fn tcp_segment(version: u8, with_checksum: bool) -> Vec<u8> {
    let mut bytes = vec![0; TCP_LEN];
    bytes[20..]
        .iter_mut()
        .zip(0..)
        .for_each(|(byte, at)| *byte = at);
    let mut tcp = TcpPacket::new_unchecked(&mut bytes);
    tcp.set_header_len(20);
    tcp.set_src_port(1);
    tcp.set_dst_port(2);
    tcp.set_window_len(6_400);
    if with_checksum {
        let (source, destination) = addresses(version);
        tcp.fill_checksum(&source, &destination);
    }
    bytes
}

fn tcp_frame(version: u8, with_checksum: bool) -> Vec<u8> {
    frame(
        version,
        IpProtocol::Tcp,
        &[],
        &tcp_segment(version, with_checksum),
    )
}

fn tcp_is_right(version: u8, frame: &[u8]) -> bool {
    let (source, destination) = addresses(version);
    let tcp = TcpPacket::new_checked(&frame[frame.len() - TCP_LEN..]).unwrap();
    tcp.verify_checksum(&source, &destination)
}

fn outgoing(frame: &mut [u8], segment_len: Option<NonZeroU16>) -> Header {
    Header::for_outgoing(frame, segment_len, &PathMtus::new())
}

fn accepts(header: Header, frame: &mut [u8]) -> bool {
    header.accept_incoming(frame, 0) == Verdict::Accept
}

fn header(flags: u8) -> Header {
    Header {
        flags,
        ..Header::COMPLETE
    }
}

#[test]
fn the_header_is_laid_out_as_virtio_says() {
    let header = Header {
        flags: NEEDS_CSUM,
        segmentation: GSO_TCPV4,
        header_len: 0x0102,
        segment_len: 0x0304,
        checksum_start: 0x0506,
        checksum_offset: 0x0708,
    };
    let bytes = [1, 1, 2, 1, 4, 3, 6, 5, 8, 7];
    assert_eq!(header.to_bytes(), bytes);
    assert_eq!(Header::from_bytes(&bytes), header);
}

#[test]
fn the_kernel_can_finish_what_goes_out() {
    for version in [4, 6] {
        let mut frame = tcp_frame(version, false);
        assert!(!tcp_is_right(version, &frame));
        let header = outgoing(&mut frame, NonZeroU16::new(50));
        let start = frame.len() - TCP_LEN;
        let expected = Header {
            flags: NEEDS_CSUM,
            segmentation: if version == 4 { GSO_TCPV4 } else { GSO_TCPV6 },
            header_len: start as u16 + 20,
            segment_len: 50,
            checksum_start: start as u16,
            checksum_offset: 16,
        };
        assert_eq!(header, expected);
        assert!(header.fill_in_checksum(&mut frame, 0));
        assert!(tcp_is_right(version, &frame));
        let segment = TcpPacket::new_unchecked(&frame[start..]);
        assert_eq!(segment.window_len(), 6_300);

        let whole = outgoing(&mut tcp_frame(version, false), None);
        assert_eq!((whole.segmentation, whole.segment_len), (GSO_NONE, 0));
    }
}

#[test]
fn what_is_not_tcp_goes_out_as_it_is() {
    for mut frame in [
        frame(4, IpProtocol::Udp, &[], &[1; 40]),
        vec![0; 60],
        vec![0; 3],
    ] {
        let before = frame.clone();
        assert_eq!(outgoing(&mut frame, None), Header::COMPLETE);
        assert_eq!(frame, before);
    }
}

#[test]
fn a_wrong_checksum_is_found() {
    for version in [4, 6] {
        let right = tcp_frame(version, true);
        assert!(accepts(header(0), &mut right.clone()));
        for bit in 8 * (right.len() - TCP_LEN)..8 * right.len() {
            let mut wrong = right.clone();
            wrong[bit / 8] ^= 1 << (bit % 8);
            // A flipped header length may leave nothing that smoltcp takes for a segment.
            let is_tcp = Segment::find(&wrong).is_some();
            assert_eq!(accepts(header(0), &mut wrong), !is_tcp, "bit {bit}");
        }
    }
}

#[test]
fn a_checksum_behind_a_hop_by_hop_header_is_verified() {
    let segment = tcp_segment(6, true);
    let extension = [6, 0, 1, 4, 0, 0, 0, 0];
    let mut frame = frame(6, IpProtocol::HopByHop, &extension, &segment);
    assert!(Segment::find(&frame).is_some());
    assert!(accepts(header(0), &mut frame));
    *frame.last_mut().unwrap() ^= 1;
    assert!(!accepts(header(0), &mut frame));
}

#[test]
fn what_the_kernel_vouches_for_is_taken() {
    let mut unfinished = tcp_frame(4, false);
    assert!(!accepts(header(0), &mut unfinished));
    assert!(accepts(header(DATA_VALID), &mut unfinished));
    let local = Header {
        checksum_start: 34,
        checksum_offset: 16,
        ..header(NEEDS_CSUM)
    };
    assert!(accepts(local, &mut unfinished));
}

/// A DHCP server on this machine leaves the checksum of its answers to its network card.
#[test]
fn an_unfinished_udp_checksum_is_filled_in() {
    let (source, destination) = addresses(4);
    let mut datagram = [7; 8 + 33];
    let mut udp = UdpPacket::new_unchecked(&mut datagram);
    udp.set_len(8 + 33);
    udp.set_checksum(checksum::pseudo_header(
        &source,
        &destination,
        IpProtocol::Udp,
        8 + 33,
    ));
    let mut frame = frame(4, IpProtocol::Udp, &[], &datagram);
    let header = Header {
        checksum_start: 34,
        checksum_offset: 6,
        ..header(NEEDS_CSUM)
    };
    assert!(accepts(header, &mut frame));
    let udp = UdpPacket::new_checked(&frame[34..]).unwrap();
    assert_ne!(udp.checksum(), 0);
    assert!(udp.verify_checksum(&source, &destination));
}

#[test]
fn no_header_and_no_frame_makes_it_panic() {
    let extremes = [0, 1, 6, 33, 34, 54, 0x7fff, u16::MAX];
    for version in [4, 6] {
        let whole = tcp_frame(version, true);
        for len in 0..whole.len() {
            outgoing(&mut whole[..len].to_vec(), None);
            accepts(header(0), &mut whole[..len].to_vec());
        }
        for checksum_start in extremes {
            for checksum_offset in extremes {
                let flags = NEEDS_CSUM;
                let header = Header {
                    flags,
                    checksum_start,
                    checksum_offset,
                    ..header(0)
                };
                accepts(header, &mut whole.clone());
            }
        }
    }
}
