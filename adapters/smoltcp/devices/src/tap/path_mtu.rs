//! Path MTUs: the longest packets to peers behind a link that is narrower than ours.
//!
//! Routers report what is too long: "fragmentation needed" (ICMP, RFC 1191), "packet too big" (ICMP
//! for IPv6, RFC 8201). smoltcp 0.14 ignores that, and sends the same segment for ever. An
//! offloaded device has the kernel cut it.

use core::num::NonZeroU16;
use std::time::{Duration, Instant};

use heapless::Deque;
use smoltcp::wire::{
    EthernetFrame, EthernetProtocol, Icmpv4Message, Icmpv4Packet, Icmpv6Message, Icmpv6Packet,
    IpAddress, IpProtocol, Ipv4Packet, Ipv6Packet,
};

use super::ETHERNET_HEADER_LEN;
use crate::segment::Segment;

/// The most paths that are remembered: with another one, the oldest is forgotten and learned anew.
const PATHS: usize = 64;
/// After this time longer segments are tried again: the path may have changed (RFC 1191, 6.3).
const LIFETIME: Duration = Duration::from_secs(10 * 60);
/// No report lowers a path MTU further. IPv4: the packet that every host must be able to take
/// (RFC 791). IPv6: the narrowest link that there may be (RFC 8200).
const LEAST: (u16, u16) = (576, 1280);

/// The path MTUs that routers have reported, oldest first.
pub(super) struct PathMtus(Deque<Path, PATHS>);

struct Path {
    peer: IpAddress,
    /// In IP bytes.
    mtu: u16,
    learned: Instant,
}

impl PathMtus {
    pub(super) const fn new() -> Self {
        Self(Deque::new())
    }

    /// Remembers what a router reports, if `frame` is such a report.
    pub(super) fn learn(&mut self, frame: &[u8]) {
        let Some((peer, mtu)) = reported(frame) else {
            return;
        };
        self.0.retain(|path| path.peer != peer);
        if self.0.is_full() {
            self.0.pop_front();
        }
        let learned = Instant::now();
        // There is room: the oldest has just gone.
        _ = self.0.push_back(Path { peer, mtu, learned });
    }

    /// Returns the length to which the kernel cuts the payload of `segment`: at most `segment_len`.
    pub(super) fn segment_len(
        &self,
        segment: &Segment,
        segment_len: Option<NonZeroU16>,
    ) -> Option<NonZeroU16> {
        let path = self
            .0
            .iter()
            .find(|path| path.peer == segment.destination && path.learned.elapsed() < LIFETIME);
        let Some(path) = path else {
            return segment_len;
        };
        let headers = segment.start - ETHERNET_HEADER_LEN + segment.header_len;
        let most = usize::from(path.mtu).saturating_sub(headers);
        let longest = segment_len.map_or(segment.payload_len(), |len| len.get().into());
        if longest <= most {
            return segment_len;
        }
        NonZeroU16::new(most as u16).or(segment_len)
    }
}

/// Returns the peer of the packet that was too long, and the MTU that it met.
fn reported(frame: &[u8]) -> Option<(IpAddress, u16)> {
    let frame = EthernetFrame::new_checked(frame).ok()?;
    match frame.ethertype() {
        EthernetProtocol::Ipv4 => {
            let ip = Ipv4Packet::new_checked(frame.payload()).ok()?;
            if ip.next_header() != IpProtocol::Icmp {
                return None;
            }
            fragmentation_needed(&ip)
        }
        EthernetProtocol::Ipv6 => {
            let ip = Ipv6Packet::new_checked(frame.payload()).ok()?;
            if ip.next_header() != IpProtocol::Icmpv6 {
                return None;
            }
            packet_too_big(&ip)
        }
        _ => None,
    }
}

fn fragmentation_needed(ip: &Ipv4Packet<&[u8]>) -> Option<(IpAddress, u16)> {
    /// RFC 792, destination unreachable.
    const FRAGMENTATION_NEEDED: u8 = 4;

    let icmp = Icmpv4Packet::new_checked(ip.payload()).ok()?;
    let is_report = icmp.msg_type() == Icmpv4Message::DstUnreachable
        && icmp.msg_code() == FRAGMENTATION_NEEDED
        && icmp.verify_checksum();
    // The beginning of the packet: its header is whole, and it is shorter than that says.
    let lost = Ipv4Packet::new_unchecked(icmp.data());
    if !is_report
        || icmp.data().len() < 20
        || lost.version() != 4
        || lost.next_header() != IpProtocol::Tcp
        || lost.src_addr() != ip.dst_addr()
    {
        return None;
    }
    let &[high, low] = ip.payload().get(6..8)?.first_chunk()?;
    Some((
        lost.dst_addr().into(),
        u16::from_be_bytes([high, low]).max(LEAST.0),
    ))
}

fn packet_too_big(ip: &Ipv6Packet<&[u8]>) -> Option<(IpAddress, u16)> {
    let icmp = Icmpv6Packet::new_checked(ip.payload()).ok()?;
    let is_report = icmp.msg_type() == Icmpv6Message::PktTooBig
        && icmp.verify_checksum(&ip.src_addr(), &ip.dst_addr());
    let lost = Ipv6Packet::new_unchecked(icmp.payload());
    if !is_report
        || icmp.payload().len() < 40
        || lost.version() != 6
        || lost.next_header() != IpProtocol::Tcp
        || lost.src_addr() != ip.dst_addr()
    {
        return None;
    }
    let mtu = u16::try_from(icmp.pkt_too_big_mtu()).unwrap_or(u16::MAX);
    Some((lost.dst_addr().into(), mtu.max(LEAST.1)))
}

#[cfg(test)]
mod tests;
