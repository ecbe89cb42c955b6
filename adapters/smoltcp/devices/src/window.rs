//! TCP windows that are announced a little smaller than they are.
//!
//! smoltcp 0.14 takes no acknowledgement from a segment beyond its window: when a peer has sent more than
//! there is room for, and all buffers are full, nothing goes on. Two things make a peer do so:
//!
//! - A window of more than 64 KiB is announced in units of several bytes, rounded down, so that its end
//!   moves back by a few bytes when others arrive. A peer that had filled it is beyond the end then.
//! - passt (2022 and 2023) takes no notice of a window that has changed by less than 1 %
//!   (`tcp_clamp_window`).

use smoltcp::wire::{
    EthernetFrame, EthernetProtocol, IpAddress, IpProtocol, Ipv4Packet, Ipv6Packet, TcpPacket,
};

/// Announces a TCP window smaller than it is, by 1/64 or one unit, if `frame` holds a segment.
pub(super) fn leave_room(frame: &mut [u8]) {
    with_segment(frame, |_, segment| {
        set_window(segment, lowered(segment.window_len()));
    });
}

/// What is announced of a window.
pub(super) fn lowered(window: u16) -> u16 {
    window.saturating_sub((window / 64).max(1))
}

/// Shows `f` the address of the sender and the TCP segment in `frame`, if it holds a whole one.
pub(super) fn with_segment(frame: &mut [u8], f: impl FnOnce(IpAddress, &mut TcpPacket<&mut [u8]>)) {
    let Ok(mut frame) = EthernetFrame::new_checked(frame) else {
        return;
    };
    match frame.ethertype() {
        EthernetProtocol::Ipv4 => {
            if let Ok(mut packet) = Ipv4Packet::new_checked(frame.payload_mut())
                && packet.next_header() == IpProtocol::Tcp
                && !packet.more_frags()
                && packet.frag_offset() == 0
            {
                let from = packet.src_addr().into();
                if let Ok(mut segment) = TcpPacket::new_checked(packet.payload_mut()) {
                    f(from, &mut segment);
                }
            }
        }
        EthernetProtocol::Ipv6 => {
            if let Ok(mut packet) = Ipv6Packet::new_checked(frame.payload_mut())
                && packet.next_header() == IpProtocol::Tcp
            {
                let from = packet.src_addr().into();
                if let Ok(mut segment) = TcpPacket::new_checked(packet.payload_mut()) {
                    f(from, &mut segment);
                }
            }
        }
        _ => {}
    }
}

pub(super) fn set_window(segment: &mut TcpPacket<&mut [u8]>, window: u16) {
    let checksum = updated(segment.checksum(), segment.window_len(), window);
    segment.set_window_len(window);
    segment.set_checksum(checksum);
}

/// The checksum after one of the words that it is over has changed (RFC 1624, equation 3).
pub(super) fn updated(checksum: u16, old: u16, new: u16) -> u16 {
    let sum = u32::from(!checksum) + u32::from(!old) + u32::from(new);
    let sum = (sum & 0xffff) + (sum >> 16);
    !((sum & 0xffff) + (sum >> 16)) as u16
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
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
                leave_room(&mut lowered);
                assert_eq!(lowered, frame(&segment(expected), addresses), "{announced}");
            }
        }
    }

    /// What passt takes for the window at most, when `announced` is what it was told.
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
            leave_room(&mut frame);
            assert_eq!(frame, original);
        }
    }
}
