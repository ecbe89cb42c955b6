use super::*;
use crate::testing::Found;
use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::{
    EthernetAddress, EthernetRepr, IpAddress, IpRepr, Ipv4Address, Ipv6Address, TcpControl,
    TcpRepr, TcpSeqNumber,
};

pub(crate) const IPV4: (IpAddress, IpAddress) = (
    IpAddress::Ipv4(Ipv4Address::new(10, 0, 0, 1)),
    IpAddress::Ipv4(Ipv4Address::new(10, 0, 0, 2)),
);
pub(crate) const IPV6: (IpAddress, IpAddress) = (
    IpAddress::Ipv6(Ipv6Address::new(0xfd00, 0, 0, 0, 0, 0, 0, 1)),
    IpAddress::Ipv6(Ipv6Address::new(0xfd00, 0, 0, 0, 0, 0, 0, 2)),
);

fn segment(window: u16) -> TcpRepr<'static> {
    acknowledging(TcpControl::Psh, -67_890, window)
}

pub(crate) fn acknowledging(control: TcpControl, number: i32, window: u16) -> TcpRepr<'static> {
    TcpRepr {
        src_port: 1,
        dst_port: 2,
        control,
        seq_number: TcpSeqNumber(12_345),
        ack_number: Some(TcpSeqNumber(number)),
        window_len: window,
        window_scale: None,
        max_seg_size: None,
        sack_permitted: false,
        sack_ranges: [None; 3],
        timestamp: None,
        payload: b"payload",
    }
}

pub(crate) fn frame(segment: &TcpRepr<'_>, (from, to): (IpAddress, IpAddress)) -> Vec<u8> {
    let ip = IpRepr::new(from, to, IpProtocol::Tcp, segment.buffer_len(), 64);
    let ethernet = EthernetRepr {
        src_addr: EthernetAddress([2, 0, 0, 0, 0, 1]),
        dst_addr: EthernetAddress([2, 0, 0, 0, 0, 2]),
        ethertype: match from {
            IpAddress::Ipv4(_) => EthernetProtocol::Ipv4,
            IpAddress::Ipv6(_) => EthernetProtocol::Ipv6,
        },
    };
    let checksums = ChecksumCapabilities::default();
    let (start, end) = (
        ethernet.buffer_len(),
        ethernet.buffer_len() + ip.header_len(),
    );
    let mut bytes = vec![0; end + segment.buffer_len()];
    ethernet.emit(&mut EthernetFrame::new_unchecked(&mut bytes));
    ip.emit(&mut bytes[start..end], &checksums);
    let mut tcp = TcpPacket::new_unchecked(&mut bytes[end..]);
    segment.emit(&mut tcp, &from, &to, &checksums);
    bytes
}

#[test]
fn only_the_window_gets_smaller_and_the_checksum_fits() {
    let windows = [
        (0, 0),
        (1, 0),
        (63, 62),
        (64, 63),
        (65_514, 64_491),
        (65_535, 64_512),
    ];
    for (announced, expected) in windows {
        for addresses in [IPV4, IPV6] {
            let mut lowered = frame(&segment(announced), addresses);
            announce_less(&mut lowered);
            assert_eq!(lowered, frame(&segment(expected), addresses), "{announced}");
        }
    }
}

/// passt takes the window for at most 1 % more than was announced.
#[test]
fn it_is_enough_for_what_passt_ignores() {
    for window in 0..=u16::MAX {
        assert!(u32::from(lowered(window)) * 101 / 100 <= u32::from(window));
    }
}

#[test]
fn other_frames_stay_as_they_are() {
    let mut fragment = frame(&segment(65_535), IPV4);
    fragment[21] = 1;
    let mut udp = frame(&segment(65_535), IPV4);
    udp[23] = 17;
    let mut arp = frame(&segment(65_535), IPV4);
    arp[13] = 6;
    let cut = frame(&segment(65_535), IPV6)[..60].to_vec();
    for original in [fragment, udp, arp, cut, vec![0; 5], vec![]] {
        let mut frame = original.clone();
        announce_less(&mut frame);
        assert_eq!(frame, original);
    }
}

#[test]
fn segments_are_found_by_the_common_rule() {
    for vector in crate::testing::segments() {
        let found = Segment::find(&vector.frame).map(|segment| {
            let bytes = |at| u16::from_be_bytes([vector.frame[at], vector.frame[at + 1]]);
            let (source, destination) = (bytes(segment.start), bytes(segment.start + 2));
            Found {
                source: (segment.source, source).into(),
                destination: (segment.destination, destination).into(),
                start: segment.start,
            }
        });
        assert_eq!(found, vector.found, "{}", vector.name);
    }
}
