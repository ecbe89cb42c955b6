//! The virtio-net header: how the kernel and we leave checksums and segmentation to each other.
//!
//! Before each frame on the file descriptor goes a header of ten bytes, `struct virtio_net_hdr` of
//! [virtio 1.2, section 5.1.6](https://docs.oasis-open.org/virtio/virtio/v1.2/virtio-v1.2.html).
//! Only TCP is offloaded: smoltcp is told to neither fill in nor verify its checksum. All the other
//! checksums stay with smoltcp, so what the kernel left out of those is filled in here.

use core::num::NonZeroU16;

use smoltcp::wire::{
    EthernetFrame, EthernetProtocol, IpAddress, IpProtocol, Ipv4Packet, Ipv6ExtHeader, Ipv6Packet,
    TcpPacket, checksum,
};

use crate::window::lowered;

/// The checksum is not filled in yet: the field holds the sum of the pseudo-header only.
const NEEDS_CSUM: u8 = 1;
/// Somebody has verified the checksum already.
const DATA_VALID: u8 = 2;

const GSO_NONE: u8 = 0;
const GSO_TCPV4: u8 = 1;
const GSO_TCPV6: u8 = 4;

/// Where the checksum is in a TCP header; UDP has it at 6.
const TCP_CHECKSUM: u16 = 16;

/// What stands before each frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    flags: u8,
    segmentation: u8,
    /// Length of all headers of the frame, in bytes; a hint.
    header_len: u16,
    /// TCP payload of each segment of a frame that is to be segmented, in bytes.
    segment_len: u16,
    /// Where the checksum starts to count, in bytes from the start of the frame.
    checksum_start: u16,
    /// Where the checksum goes, in bytes from `checksum_start`.
    checksum_offset: u16,
}

impl Header {
    pub(super) const LEN: usize = 10;

    /// A frame that is complete as it is.
    const COMPLETE: Self = Self {
        flags: 0,
        segmentation: GSO_NONE,
        header_len: 0,
        segment_len: 0,
        checksum_start: 0,
        checksum_offset: 0,
    };

    pub(super) fn from_bytes(bytes: &[u8; Self::LEN]) -> Self {
        let field = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
        Self {
            flags: bytes[0],
            segmentation: bytes[1],
            header_len: field(2),
            segment_len: field(4),
            checksum_start: field(6),
            checksum_offset: field(8),
        }
    }

    pub(super) fn to_bytes(self) -> [u8; Self::LEN] {
        let mut bytes = [0; Self::LEN];
        bytes[0] = self.flags;
        bytes[1] = self.segmentation;
        bytes[2..4].copy_from_slice(&self.header_len.to_le_bytes());
        bytes[4..6].copy_from_slice(&self.segment_len.to_le_bytes());
        bytes[6..8].copy_from_slice(&self.checksum_start.to_le_bytes());
        bytes[8..10].copy_from_slice(&self.checksum_offset.to_le_bytes());
        bytes
    }

    /// Makes a frame that smoltcp has built ready for the kernel: a TCP segment gets a smaller window
    /// (see `window.rs`), and in its checksum field the sum of the pseudo-header. The kernel is asked
    /// to do the rest, and to cut the payload into segments of `segment_len` bytes where that is given.
    pub(super) fn for_outgoing(frame: &mut [u8], segment_len: Option<NonZeroU16>) -> Self {
        let Some(tcp) = TcpSegment::find(frame) else {
            return Self::COMPLETE;
        };
        let (Ok(start), Ok(header_len)) = (
            u16::try_from(tcp.start),
            u16::try_from(tcp.start + tcp.header_len),
        ) else {
            return Self::COMPLETE;
        };
        let mut segment = TcpPacket::new_unchecked(&mut frame[tcp.start..]);
        segment.set_window_len(lowered(segment.window_len()));
        segment.set_checksum(tcp.pseudo_header_sum());
        Self {
            flags: NEEDS_CSUM,
            segmentation: match (segment_len, tcp.source) {
                (None, _) => GSO_NONE,
                (Some(_), IpAddress::Ipv4(_)) => GSO_TCPV4,
                (Some(_), IpAddress::Ipv6(_)) => GSO_TCPV6,
            },
            header_len,
            segment_len: segment_len.map_or(0, NonZeroU16::get),
            checksum_start: start,
            checksum_offset: TCP_CHECKSUM,
        }
    }

    /// Makes a frame from the kernel ready for smoltcp, and tells whether it may have it.
    ///
    /// A TCP checksum that the kernel has not filled in is that of data which never left this
    /// machine, and one that it has verified needs no second look; any other is verified here, since
    /// smoltcp does not.
    pub(super) fn accept_incoming(self, frame: &mut [u8]) -> bool {
        if self.flags & NEEDS_CSUM != 0 {
            self.checksum_offset == TCP_CHECKSUM || self.fill_in_checksum(frame)
        } else if self.flags & DATA_VALID != 0 {
            true
        } else {
            tcp_checksum_is_right(frame)
        }
    }

    /// Finishes the checksum of anything but TCP. False when the header contradicts the frame.
    fn fill_in_checksum(self, frame: &mut [u8]) -> bool {
        let start = usize::from(self.checksum_start);
        let at = start + usize::from(self.checksum_offset);
        let Some(covered) = frame.get(start..) else {
            return false;
        };
        let sum = match !checksum::data(covered) {
            // In UDP zero says that there is no checksum (RFC 768).
            0 => 0xffff,
            sum => sum,
        };
        let Some(field) = frame.get_mut(at..at + 2) else {
            return false;
        };
        field.copy_from_slice(&sum.to_be_bytes());
        true
    }
}

/// Where a TCP segment is in an Ethernet frame.
#[derive(Debug, PartialEq, Eq)]
struct TcpSegment {
    source: IpAddress,
    destination: IpAddress,
    /// First byte of the TCP header, counted from the start of the frame.
    start: usize,
    /// Length of the TCP header, in bytes.
    header_len: usize,
    /// Length of the TCP header and its payload, in bytes.
    len: usize,
}

impl TcpSegment {
    /// Finds the segment where smoltcp looks for it: behind an IPv4 header, or behind an IPv6 header
    /// and at most one hop-by-hop header.
    fn find(frame: &[u8]) -> Option<Self> {
        let ethernet = EthernetFrame::new_checked(frame).ok()?;
        let (source, destination, mut protocol, mut payload): (IpAddress, IpAddress, _, _) =
            match ethernet.ethertype() {
                EthernetProtocol::Ipv4 => {
                    let ip = Ipv4Packet::new_checked(ethernet.payload()).ok()?;
                    (
                        ip.src_addr().into(),
                        ip.dst_addr().into(),
                        ip.next_header(),
                        ip.payload(),
                    )
                }
                EthernetProtocol::Ipv6 => {
                    let ip = Ipv6Packet::new_checked(ethernet.payload()).ok()?;
                    (
                        ip.src_addr().into(),
                        ip.dst_addr().into(),
                        ip.next_header(),
                        ip.payload(),
                    )
                }
                _ => return None,
            };
        if protocol == IpProtocol::HopByHop {
            let header = Ipv6ExtHeader::new_checked(payload).ok()?;
            let len = 8 * (usize::from(header.header_len()) + 1);
            protocol = header.next_header();
            payload = payload.get(len..)?;
        }
        if protocol != IpProtocol::Tcp {
            return None;
        }
        let header_len = usize::from(TcpPacket::new_checked(payload).ok()?.header_len());
        let start = payload.as_ptr().addr() - frame.as_ptr().addr();
        Some(Self {
            source,
            destination,
            start,
            header_len,
            len: payload.len(),
        })
    }

    fn pseudo_header_sum(&self) -> u16 {
        // No IP packet here is longer than 65,535 bytes.
        checksum::pseudo_header(
            &self.source,
            &self.destination,
            IpProtocol::Tcp,
            self.len as u32,
        )
    }
}

/// True for anything but TCP too: smoltcp verifies that by itself. A fragment of a segment is as good
/// as corrupt: its checksum is that of the whole.
fn tcp_checksum_is_right(frame: &[u8]) -> bool {
    TcpSegment::find(frame).is_none_or(|tcp| {
        let segment = checksum::data(&frame[tcp.start..tcp.start + tcp.len]);
        checksum::combine(&[tcp.pseudo_header_sum(), segment]) == u16::MAX
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use smoltcp::wire::{Ipv4Address, Ipv6Address, UdpPacket};

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
            let header = Header::for_outgoing(&mut frame, NonZeroU16::new(50));
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
            assert!(header.fill_in_checksum(&mut frame));
            assert!(tcp_is_right(version, &frame));
            let segment = TcpPacket::new_unchecked(&frame[start..]);
            assert_eq!(segment.window_len(), 6_300);

            let whole = Header::for_outgoing(&mut tcp_frame(version, false), None);
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
            assert_eq!(Header::for_outgoing(&mut frame, None), Header::COMPLETE);
            assert_eq!(frame, before);
        }
    }

    #[test]
    fn a_wrong_checksum_is_found() {
        for version in [4, 6] {
            let right = tcp_frame(version, true);
            assert!(header(0).accept_incoming(&mut right.clone()));
            for bit in 8 * (right.len() - TCP_LEN)..8 * right.len() {
                let mut wrong = right.clone();
                wrong[bit / 8] ^= 1 << (bit % 8);
                // A flipped header length may leave nothing that smoltcp takes for a segment.
                let is_tcp = TcpSegment::find(&wrong).is_some();
                assert_eq!(header(0).accept_incoming(&mut wrong), !is_tcp, "bit {bit}");
            }
        }
    }

    #[test]
    fn a_checksum_behind_a_hop_by_hop_header_is_verified() {
        let segment = tcp_segment(6, true);
        let extension = [6, 0, 1, 4, 0, 0, 0, 0];
        let mut frame = frame(6, IpProtocol::HopByHop, &extension, &segment);
        assert!(TcpSegment::find(&frame).is_some());
        assert!(header(0).accept_incoming(&mut frame));
        *frame.last_mut().unwrap() ^= 1;
        assert!(!header(0).accept_incoming(&mut frame));
    }

    #[test]
    fn what_the_kernel_vouches_for_is_taken() {
        let mut unfinished = tcp_frame(4, false);
        assert!(!header(0).accept_incoming(&mut unfinished));
        assert!(header(DATA_VALID).accept_incoming(&mut unfinished));
        let local = Header {
            checksum_start: 34,
            checksum_offset: 16,
            ..header(NEEDS_CSUM)
        };
        assert!(local.accept_incoming(&mut unfinished));
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
        assert!(header.accept_incoming(&mut frame));
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
                Header::for_outgoing(&mut whole[..len].to_vec(), None);
                header(0).accept_incoming(&mut whole[..len].to_vec());
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
                    header.accept_incoming(&mut whole.clone());
                }
            }
        }
    }
}
