//! TCP segments in Ethernet frames: the one rule by which they are found, and a change to their
//! window.
//!
//! smoltcp 0.14 takes no acknowledgement from a segment beyond its window: when a peer has sent
//! more than there is room for, and all buffers are full, nothing goes on. [`announce_less`] keeps
//! peers from doing so. Two things make them:
//!
//! - A window of more than 64 KiB is announced in units of several bytes, rounded down, so that its
//!   end moves back by a few bytes when others arrive. A peer that had filled it is beyond the end
//!   then.
//! - passt (2022 and 2023) ignores a change of a window by less than 1 % (`tcp_clamp_window`).

#[cfg(all(feature = "tap", target_os = "linux"))]
use smoltcp::wire::checksum;
use smoltcp::wire::{
    EthernetFrame, EthernetProtocol, IpAddress, IpProtocol, Ipv4Packet, Ipv6Packet, TcpPacket,
};

/// The place of a TCP segment in an Ethernet frame.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    pub(crate) source: IpAddress,
    pub(crate) destination: IpAddress,
    /// First byte of the TCP header, counted from the start of the frame.
    pub(crate) start: usize,
    /// Length of the TCP header, in bytes.
    pub(crate) header_len: usize,
    /// Length of the TCP header and its payload, in bytes.
    pub(crate) len: usize,
}

impl Segment {
    /// Finds a whole segment where smoltcp looks for one: behind an IPv4 header, or behind an IPv6
    /// header and at most one hop-by-hop header. A fragment is none.
    pub(crate) fn find(frame: &[u8]) -> Option<Self> {
        let packet = Packet::find(frame)?;
        if packet.is_fragment || packet.protocol != IpProtocol::Tcp {
            return None;
        }
        let header_len = usize::from(TcpPacket::new_checked(packet.payload).ok()?.header_len());
        Some(Self {
            source: packet.source,
            destination: packet.destination,
            start: packet.payload.as_ptr().addr() - frame.as_ptr().addr(),
            header_len,
            len: packet.payload.len(),
        })
    }

    /// Returns the segment in the frame in which it was found.
    pub(crate) fn packet<'frame>(&self, frame: &'frame mut [u8]) -> TcpPacket<&'frame mut [u8]> {
        TcpPacket::new_unchecked(&mut frame[self.start..self.start + self.len])
    }
}

/// The parts of a segment that offload needs.
#[cfg(all(feature = "tap", target_os = "linux"))]
impl Segment {
    pub(crate) fn payload_len(&self) -> usize {
        self.len - self.header_len
    }

    pub(crate) fn pseudo_header_sum(&self) -> u16 {
        let (source, destination) = (&self.source, &self.destination);
        // No IP packet here is longer than 65,535 bytes.
        checksum::pseudo_header(source, destination, IpProtocol::Tcp, self.len as u32)
    }

    pub(crate) fn has_right_checksum(&self, frame: &[u8]) -> bool {
        let sum = checksum::data(&frame[self.start..self.start + self.len]);
        checksum::combine(&[self.pseudo_header_sum(), sum]) == u16::MAX
    }
}

#[cfg(all(feature = "tap", target_os = "linux"))]
/// Returns whether a frame holds a part of a TCP segment that has come in IP fragments.
pub(crate) fn is_fragment(frame: &[u8]) -> bool {
    Packet::find(frame)
        .is_some_and(|packet| packet.is_fragment && packet.protocol == IpProtocol::Tcp)
}

/// An IP packet, behind its headers.
struct Packet<'frame> {
    source: IpAddress,
    destination: IpAddress,
    protocol: IpProtocol,
    is_fragment: bool,
    payload: &'frame [u8],
}

impl<'frame> Packet<'frame> {
    fn find(frame: &'frame [u8]) -> Option<Self> {
        let frame = EthernetFrame::new_checked(frame).ok()?;
        let packet = frame.payload();
        match (frame.ethertype(), packet.first()? >> 4) {
            (EthernetProtocol::Ipv4, 4) => Self::v4(packet),
            (EthernetProtocol::Ipv6, 6) => Self::v6(packet),
            _ => None,
        }
    }

    fn v4(packet: &'frame [u8]) -> Option<Self> {
        let packet = Ipv4Packet::new_checked(packet).ok()?;
        Some(Self {
            source: packet.src_addr().into(),
            destination: packet.dst_addr().into(),
            protocol: packet.next_header(),
            is_fragment: packet.more_frags() || packet.frag_offset() != 0,
            payload: packet.payload(),
        })
    }

    fn v6(packet: &'frame [u8]) -> Option<Self> {
        let packet = Ipv6Packet::new_checked(packet).ok()?;
        let (mut protocol, mut payload) = (packet.next_header(), packet.payload());
        // Each header begins with the number of the next one, and all but that of a fragment have
        // their length behind it, in units of eight bytes beyond the first.
        if protocol == IpProtocol::HopByHop {
            let &[next, length] = payload.first_chunk()?;
            protocol = next.into();
            payload = payload.get(8 * (usize::from(length) + 1)..)?;
        }
        let is_fragment = protocol == IpProtocol::Ipv6Frag;
        if is_fragment {
            protocol = (*payload.first()?).into();
        }
        Some(Self {
            source: packet.src_addr().into(),
            destination: packet.dst_addr().into(),
            protocol,
            is_fragment,
            payload,
        })
    }
}

/// Announces a TCP window smaller than it is, if `frame` holds a segment.
pub(crate) fn announce_less(frame: &mut [u8]) {
    if let Some(segment) = Segment::find(frame) {
        let mut segment = segment.packet(frame);
        let window = lowered(segment.window_len());
        set_window(&mut segment, window);
    }
}

/// Returns a window that is smaller by 1/64, or by one unit.
pub(crate) fn lowered(window: u16) -> u16 {
    window.saturating_sub((window / 64).max(1))
}

pub(crate) fn set_window(segment: &mut TcpPacket<&mut [u8]>, window: u16) {
    let checksum = updated(segment.checksum(), segment.window_len(), window);
    segment.set_window_len(window);
    segment.set_checksum(checksum);
}

/// Returns the checksum after one of the words that it covers has changed (RFC 1624, equation 3).
pub(crate) fn updated(checksum: u16, old: u16, new: u16) -> u16 {
    let sum = u32::from(!checksum) + u32::from(!old) + u32::from(new);
    let sum = (sum & 0xffff) + (sum >> 16);
    !((sum & 0xffff) + (sum >> 16)) as u16
}

#[cfg(test)]
pub(crate) mod tests;
