//! The TCP segment in a frame: the connection that it belongs to, and its flags.

#[cfg(feature = "proto-ipv6")]
use smoltcp::wire::Ipv6Packet;
#[cfg(feature = "proto-ipv4")]
use smoltcp::wire::{IPV4_HEADER_LEN, Ipv4Packet};
use smoltcp::wire::{IpAddress, IpEndpoint, IpListenEndpoint, IpProtocol, TcpPacket, TcpSeqNumber};

use smoltcp::phy::{ChecksumCapabilities, Medium};

use crate::ack::Ends;

/// The address pair of a connection. Our port is that of the listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Flow {
    pub(crate) local: IpAddress,
    pub(crate) remote: IpEndpoint,
}

/// A TCP segment that has arrived.
#[derive(Clone, Copy)]
pub(crate) struct Segment<'f> {
    pub(crate) flow: Flow,
    /// The hardware address that the frame came from, if the medium has any.
    pub(crate) hardware: Hardware,
    /// The IP packet, whose header has a checksum in IPv4.
    #[cfg(feature = "proto-ipv4")]
    ip: &'f [u8],
    /// The segment in it.
    tcp: &'f [u8],
    header: &'f [u8; TCP_HEADER_LEN],
}

/// An Ethernet address, or zeros.
pub(crate) type Hardware = [u8; 6];

const TCP_HEADER_LEN: usize = 20;

const SYN: u8 = 0x02;
const RST: u8 = 0x04;
const ACK: u8 = 0x10;

impl<'f> Segment<'f> {
    /// Finds the TCP segment in `frame`. Only addresses, ports, numbers and flags are read: the
    /// stack checks the rest, and drops what is broken. [`is_intact`](Self::is_intact) tells before
    /// that.
    ///
    /// A segment in IP fragments is not recognised.
    #[inline(always)]
    pub(crate) fn parse(frame: &'f [u8], medium: Medium) -> Option<Self> {
        let (ip, hardware) = packet(frame, medium)?;
        let (local, remote, tcp) = payload(ip)?;
        let header = tcp.first_chunk::<TCP_HEADER_LEN>()?;
        let [from_high, from_low, ..] = *header;
        Some(Self {
            flow: Flow {
                local,
                remote: IpEndpoint::new(remote, u16::from_be_bytes([from_high, from_low])),
            },
            hardware,
            #[cfg(feature = "proto-ipv4")]
            ip,
            tcp,
            header,
        })
    }

    /// Returns the ends of the connection that the segment belongs to.
    pub(crate) fn ends(&self) -> Ends {
        Ends {
            local: IpEndpoint::new(self.flow.local, self.port()),
            peer: self.flow.remote,
        }
    }

    /// Returns our port.
    pub(crate) fn port(&self) -> u16 {
        let [_, _, high, low, ..] = *self.header;
        u16::from_be_bytes([high, low])
    }

    /// Returns the sequence number.
    pub(crate) fn seq(&self) -> TcpSeqNumber {
        let [_, _, _, _, a, b, c, d, ..] = *self.header;
        TcpSeqNumber(i32::from_be_bytes([a, b, c, d]))
    }

    /// Returns whether the segment is for `endpoint`.
    #[inline]
    pub(crate) fn is_for(&self, endpoint: IpListenEndpoint) -> bool {
        let address = |address| address == self.flow.local;
        self.port() == endpoint.port && endpoint.addr.is_none_or(address)
    }

    /// Returns whether the segment asks for a connection.
    pub(crate) fn is_syn(&self) -> bool {
        self.flags() & (SYN | RST | ACK) == SYN
    }

    /// Returns whether the segment resets a connection.
    pub(crate) fn is_rst(&self) -> bool {
        self.flags() & RST != 0
    }

    /// Returns whether the segment would begin or reset a connection.
    #[inline]
    pub(crate) fn is_syn_or_rst(&self) -> bool {
        self.flags() & (SYN | RST) != 0
    }

    /// Returns the low byte of the flags.
    fn flags(&self) -> u8 {
        self.header[13]
    }

    /// Returns whether the checksums of the segment hold, or are not ours to verify.
    pub(crate) fn is_intact(&self, checksums: &ChecksumCapabilities) -> bool {
        let (local, remote) = (self.flow.local, self.flow.remote.addr);
        #[cfg(feature = "proto-ipv4")]
        if matches!(local, IpAddress::Ipv4(_))
            && checksums.ipv4.rx()
            && !Ipv4Packet::new_checked(self.ip).is_ok_and(|packet| packet.verify_checksum())
        {
            return false;
        }
        TcpPacket::new_checked(self.tcp)
            .is_ok_and(|segment| !checksums.tcp.rx() || segment.verify_checksum(&remote, &local))
    }
}

/// Returns the IP packet in a frame, and the hardware address that it came from.
#[inline]
fn packet(frame: &[u8], medium: Medium) -> Option<(&[u8], Hardware)> {
    match medium {
        #[cfg(feature = "medium-ethernet")]
        Medium::Ethernet => {
            let (header, ip) = frame.split_first_chunk::<14>()?;
            let [_, _, _, _, _, _, a, b, c, d, e, f, ethertype @ ..] = *header;
            // A stack drops a packet of one version under the number of the other one.
            let version = ip.first()? >> 4;
            let is_ip = matches!((ethertype, version), ([0x08, 0x00], 4) | ([0x86, 0xdd], 6));
            Some((is_ip.then_some(ip)?, [a, b, c, d, e, f]))
        }
        #[cfg(feature = "medium-ip")]
        Medium::Ip => Some((frame, Hardware::default())),
        #[allow(unreachable_patterns, reason = "smoltcp may have other media")]
        _ => None,
    }
}

/// Returns our address, the sender's, and the TCP segment in an IP packet.
#[inline]
fn payload(ip: &[u8]) -> Option<(IpAddress, IpAddress, &[u8])> {
    match ip.first()? >> 4 {
        #[cfg(feature = "proto-ipv4")]
        4 => ipv4(ip),
        #[cfg(feature = "proto-ipv6")]
        6 => ipv6(ip),
        _ => None,
    }
}

impl Flow {
    /// Returns a keyed hash: peers choose their address and port, so the result must be
    /// unpredictable without `seed`.
    pub(crate) fn hash(&self, seed: u64) -> u32 {
        let mix = |hash: u64, word: u64| {
            let product = u128::from(hash ^ word) * 0x9e37_79b9_7f4a_7c15;
            (product >> 64) as u64 ^ product as u64
        };
        let address = |hash, address: &IpAddress| match address {
            #[cfg(feature = "proto-ipv4")]
            IpAddress::Ipv4(address) => mix(hash, u64::from(address.to_bits())),
            #[cfg(feature = "proto-ipv6")]
            IpAddress::Ipv6(address) => {
                let bits = address.to_bits();
                mix(mix(hash, bits as u64), (bits >> 64) as u64)
            }
        };
        let hash = address(address(seed, &self.local), &self.remote.addr);
        (mix(hash, u64::from(self.remote.port)) >> 32) as u32
    }
}

#[cfg(feature = "proto-ipv4")]
#[inline]
fn ipv4(packet: &[u8]) -> Option<(IpAddress, IpAddress, &[u8])> {
    packet.first_chunk::<IPV4_HEADER_LEN>()?;
    let header = Ipv4Packet::new_unchecked(packet);
    let whole = !header.more_frags() && header.frag_offset() == 0;
    if !whole || header.next_header() != IpProtocol::Tcp {
        return None;
    }
    let (to, from) = (header.dst_addr(), header.src_addr());
    let tcp = usize::from(header.header_len())..usize::from(header.total_len());
    let tcp = packet.get(tcp)?;
    Some((to.into(), from.into(), tcp))
}

#[cfg(feature = "proto-ipv6")]
fn ipv6(packet: &[u8]) -> Option<(IpAddress, IpAddress, &[u8])> {
    let packet = Ipv6Packet::new_checked(packet).ok()?;
    let mut next = packet.next_header();
    let mut payload = packet.payload();
    // The one extension header that the stack takes before a segment.
    if next == IpProtocol::HopByHop {
        let &[protocol, length] = payload.first_chunk()?;
        next = protocol.into();
        payload = payload.get((usize::from(length) + 1) * 8..)?;
    }
    (next == IpProtocol::Tcp).then(|| {
        let (to, from) = (packet.dst_addr(), packet.src_addr());
        (to.into(), from.into(), payload)
    })
}

#[cfg(test)]
#[cfg(all(
    feature = "medium-ethernet",
    feature = "medium-ip",
    feature = "proto-ipv4",
    feature = "proto-ipv6"
))]
mod tests {
    use std::vec::Vec;

    use super::*;

    const PORT: u16 = 7;

    fn tcp(flags: u8) -> [u8; 20] {
        let mut segment = [0; 20];
        segment[..4].copy_from_slice(&[0x12, 0x34, 0, 7]);
        (segment[12], segment[13]) = (5 << 4, flags);
        segment
    }

    /// `[version and length, more fragments or offset, protocol]` of a header.
    fn packet4([first, fragment, protocol]: [u8; 3], payload: &[u8]) -> Vec<u8> {
        let mut packet = [0; 20];
        packet[0] = first;
        packet[3] = 20 + payload.len() as u8;
        packet[6] = fragment;
        packet[9] = protocol;
        packet[12..].copy_from_slice(&[10, 0, 0, 2, 10, 0, 0, 1]);
        [&packet, payload].concat()
    }

    fn packet6(protocol: u8, payload: &[u8]) -> Vec<u8> {
        let mut packet = [0; 40];
        packet[0] = 6 << 4;
        packet[5] = payload.len() as u8;
        packet[6] = protocol;
        (packet[8], packet[23]) = (0xfd, 2);
        (packet[24], packet[39]) = (0xfd, 1);
        [&packet, payload].concat()
    }

    fn frame(ethertype: u16, packet: &[u8]) -> Vec<u8> {
        [&[2; 12], &ethertype.to_be_bytes()[..], packet].concat()
    }

    fn parse(frame: &[u8], medium: Medium) -> Option<Segment<'_>> {
        Segment::parse(frame, medium).filter(|segment| segment.is_for(PORT.into()))
    }

    #[test]
    fn segments_are_recognised_on_every_medium() {
        let flow4 = Flow {
            local: IpAddress::v4(10, 0, 0, 1),
            remote: IpEndpoint::new(IpAddress::v4(10, 0, 0, 2), 0x1234),
        };
        let flow6 = Flow {
            local: IpAddress::v6(0xfd00, 0, 0, 0, 0, 0, 0, 1),
            remote: IpEndpoint::new(IpAddress::v6(0xfd00, 0, 0, 0, 0, 0, 0, 2), 0x1234),
        };
        let syn = tcp(0x02);
        let options = [&[6, 0, 1, 4, 0, 0, 0, 0], &syn[..]].concat();
        for (packet, ethertype, flow) in [
            (packet4([0x45, 0, 6], &syn), 0x0800, flow4),
            (packet6(6, &syn), 0x86dd, flow6),
            (packet6(0, &options), 0x86dd, flow6),
        ] {
            let frame = frame(ethertype, &packet);
            for (bytes, medium) in [(packet, Medium::Ip), (frame, Medium::Ethernet)] {
                let segment = parse(&bytes, medium).unwrap();
                assert_eq!((segment.flow, segment.is_syn()), (flow, true));
                // Cut anywhere, it is nothing, and nothing worse.
                for cut in 0..bytes.len() {
                    assert!(parse(&bytes[..cut], medium).is_none(), "{cut}");
                }
            }
        }
    }

    #[test]
    fn what_is_no_request_is_not_taken_for_one() {
        for flags in [0x10, 0x12, 0x04, 0x06, 0x01, 0x18] {
            let packet = packet4([0x45, 0, 6], &tcp(flags));
            let segment = parse(&packet, Medium::Ip);
            assert!(!segment.unwrap().is_syn(), "{flags:#x}");
        }
    }

    #[test]
    fn what_is_for_others_is_left_to_them() {
        let syn = tcp(0x02);
        let mut elsewhere = syn;
        elsewhere[3] = 8;
        for packet in [
            packet4([0x45, 0, 17], &syn),
            packet4([0x45, 0x20, 6], &syn),
            packet4([0x45, 0x01, 6], &syn),
            packet4([0x45, 0, 6], &elsewhere),
            packet6(17, &syn),
            packet6(60, &syn),
            packet4([0x75, 0, 6], &syn),
        ] {
            assert!(parse(&packet, Medium::Ip).is_none(), "{packet:?}");
        }
        let arp = frame(0x0806, &packet4([0x45, 0, 6], &syn));
        assert!(parse(&arp, Medium::Ethernet).is_none());
        let address = IpListenEndpoint::from((IpAddress::v4(10, 0, 0, 9), PORT));
        let packet = packet4([0x45, 0, 6], &syn);
        assert!(!Segment::parse(&packet, Medium::Ip).unwrap().is_for(address));
    }

    /// Those by which the finder of `linecho-devices` is tested, too.
    #[test]
    fn segments_are_found_by_the_common_rule() {
        for vector in linecho_devices::testing::segments() {
            let found = parse(&vector.frame, Medium::Ethernet).map(|segment| segment.flow);
            let expected = vector.found.map(|found| Flow {
                local: found.destination.addr,
                remote: found.source,
            });
            assert_eq!(found, expected, "{}", vector.name);
        }
    }

    #[test]
    fn neighbouring_flows_spread() {
        let mut buckets = [0; 64];
        for port in 0..6400 {
            let remote = IpEndpoint::new(IpAddress::v4(10, 0, 0, 2), port);
            let flow = Flow {
                local: IpAddress::v4(10, 0, 0, 1),
                remote,
            };
            buckets[(flow.hash(1) >> 26) as usize] += 1;
        }
        assert!(
            buckets.iter().all(|n| (50..=160).contains(n)),
            "{buckets:?}"
        );
    }

    /// By a difference that does not, peers could find addresses that share a bucket.
    #[test]
    fn how_hashes_differ_depends_on_the_seed() {
        let flow = |address: u128| Flow {
            local: IpAddress::v6(0xfd00, 0, 0, 0, 0, 0, 0, 1),
            remote: IpEndpoint::new(core::net::Ipv6Addr::from_bits(address).into(), 1),
        };
        for bit in [0, 63, 64, 127] {
            let difference = |seed| flow(0).hash(seed) ^ flow(1 << bit).hash(seed);
            assert_ne!(difference(1), difference(2), "bit {bit}");
        }
    }
}
