//! What makes smoltcp get along with passt, as its versions of 2022 and 2023 are.
//!
//! - passt takes no notice of a window that has changed by less than 1 % (`tcp_clamp_window`), and then
//!   sends that much more than there is room for. smoltcp takes no acknowledgement from a segment beyond
//!   the window, so that with a full one nothing goes on until passt resets the connection. Therefore we
//!   announce windows a little smaller than they are.
//! - passt sends data that it has prepared behind acknowledgements that are newer than those in the data.
//!   smoltcp 0.14 drops a segment whose acknowledgement is older than the one before, and with it the
//!   data, which passt sends again after two seconds. Therefore an old acknowledgement is replaced by the
//!   newest.

use std::boxed::Box;
use std::vec;

use smoltcp::wire::{
    EthernetFrame, EthernetProtocol, IpAddress, IpProtocol, Ipv4Packet, Ipv6Packet, TcpPacket,
    TcpSeqNumber,
};

/// How many connections are remembered. One that is forgotten suffers nothing worse than delays.
const CONNECTIONS: usize = 256;

/// Announces a TCP window 1/64 smaller than it is, if `frame` holds a segment.
pub(super) fn leave_room(frame: &mut [u8]) {
    with_segment(frame, |_, segment| {
        let window = segment.window_len();
        set_window(segment, window - window / 64);
    });
}

/// The newest acknowledgement of each connection.
#[derive(Debug)]
pub(super) struct Acknowledgements(Box<[Option<Acknowledgement>]>);

#[derive(Clone, Copy, Debug)]
struct Acknowledgement {
    /// The peer's address, its port and ours.
    connection: (IpAddress, u16, u16),
    number: TcpSeqNumber,
    /// The window that came with it.
    window: u16,
}

impl Acknowledgements {
    pub(super) fn new() -> Self {
        Self(vec![None; CONNECTIONS].into())
    }

    /// Puts the newest acknowledgement into `frame`, if it holds a segment with an older one.
    pub(super) fn renew(&mut self, frame: &mut [u8]) {
        with_segment(frame, |peer, segment| {
            let connection = (peer, segment.src_port(), segment.dst_port());
            let place = usize::from(connection.1 ^ connection.2) % CONNECTIONS;
            let newest = &mut self.0[place];
            if segment.syn() || segment.rst() || !segment.ack() {
                *newest = None;
                return;
            }
            match newest.filter(|newest| newest.connection == connection) {
                Some(newest) if segment.ack_number() < newest.number => {
                    set_acknowledgement(segment, newest.number);
                    set_window(segment, newest.window);
                }
                _ => {
                    *newest = Some(Acknowledgement {
                        connection,
                        number: segment.ack_number(),
                        window: segment.window_len(),
                    });
                }
            }
        });
    }
}

/// Shows `f` the address of the sender and the TCP segment in `frame`, if it holds a whole one.
fn with_segment(frame: &mut [u8], f: impl FnOnce(IpAddress, &mut TcpPacket<&mut [u8]>)) {
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

fn set_window(segment: &mut TcpPacket<&mut [u8]>, window: u16) {
    let checksum = updated(segment.checksum(), segment.window_len(), window);
    segment.set_window_len(window);
    segment.set_checksum(checksum);
}

fn set_acknowledgement(segment: &mut TcpPacket<&mut [u8]>, number: TcpSeqNumber) {
    let (old, new) = (segment.ack_number().0, number.0);
    let checksum = updated(segment.checksum(), (old >> 16) as u16, (new >> 16) as u16);
    let checksum = updated(checksum, old as u16, new as u16);
    segment.set_ack_number(number);
    segment.set_checksum(checksum);
}

/// The checksum after one of the words that it is over has changed (RFC 1624, equation 3).
fn updated(checksum: u16, old: u16, new: u16) -> u16 {
    let sum = u32::from(!checksum) + u32::from(!old) + u32::from(new);
    let sum = (sum & 0xffff) + (sum >> 16);
    !((sum & 0xffff) + (sum >> 16)) as u16
}

#[cfg(test)]
mod tests {
    use super::*;
    use smoltcp::phy::ChecksumCapabilities;
    use smoltcp::wire::{
        EthernetAddress, EthernetRepr, IpAddress, IpRepr, Ipv4Address, Ipv6Address, TcpControl,
        TcpRepr, TcpSeqNumber,
    };
    use std::vec::Vec;

    const IPV4: (IpAddress, IpAddress) = (
        IpAddress::Ipv4(Ipv4Address::new(10, 0, 0, 1)),
        IpAddress::Ipv4(Ipv4Address::new(10, 0, 0, 2)),
    );
    const IPV6: (IpAddress, IpAddress) = (
        IpAddress::Ipv6(Ipv6Address::new(0xfd00, 0, 0, 0, 0, 0, 0, 1)),
        IpAddress::Ipv6(Ipv6Address::new(0xfd00, 0, 0, 0, 0, 0, 0, 2)),
    );

    fn segment(window: u16) -> TcpRepr<'static> {
        acknowledging(TcpControl::Psh, -67_890, window)
    }

    fn acknowledging(control: TcpControl, number: i32, window: u16) -> TcpRepr<'static> {
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

    fn frame(segment: &TcpRepr<'_>, (from, to): (IpAddress, IpAddress)) -> Vec<u8> {
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
            (63, 63),
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
            let announced = window - window / 64;
            assert!(u32::from(announced) * 101 / 100 <= u32::from(window).max(1));
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

    #[test]
    fn an_old_acknowledgement_is_replaced_by_the_newest() {
        // Across the point where numbers begin again.
        let newest = acknowledging(TcpControl::None, i32::MIN + 5, 700);
        let old = acknowledging(TcpControl::Psh, i32::MAX - 70_000, 900);
        let renewed = acknowledging(TcpControl::Psh, i32::MIN + 5, 700);
        for addresses in [IPV4, IPV6] {
            let mut known = Acknowledgements::new();
            let mut seen = |segment: &TcpRepr<'_>| {
                let mut frame = frame(segment, addresses);
                known.renew(&mut frame);
                frame
            };
            assert_eq!(seen(&old), frame(&old, addresses));
            assert_eq!(seen(&newest), frame(&newest, addresses));
            assert_eq!(seen(&old), frame(&renewed, addresses));
            assert_eq!(seen(&newest), frame(&newest, addresses));
        }
    }

    #[test]
    fn a_new_connection_begins_anew() {
        let mut known = Acknowledgements::new();
        let mut seen = |segment: &TcpRepr<'_>, addresses| {
            let mut frame = frame(segment, addresses);
            known.renew(&mut frame);
            frame
        };
        let newest = acknowledging(TcpControl::None, 2000, 700);
        let old = acknowledging(TcpControl::Psh, 1000, 900);
        for control in [TcpControl::Syn, TcpControl::Rst] {
            seen(&newest, IPV4);
            let first = acknowledging(control, 500, 900);
            assert_eq!(seen(&first, IPV4), frame(&first, IPV4));
            assert_eq!(seen(&old, IPV4), frame(&old, IPV4));
        }
        // Another connection in the same place: the first one is forgotten.
        seen(&newest, IPV4);
        assert_eq!(seen(&old, IPV6), frame(&old, IPV6));
        assert_eq!(seen(&old, IPV4), frame(&old, IPV4));
    }
}
