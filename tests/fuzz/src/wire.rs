//! Frames, written byte by byte so that nothing about them needs to be valid, and their checksums.

use core::net::IpAddr;

/// Bytes of an Ethernet header.
pub(crate) const ETHERNET: usize = 14;

const HOP_BY_HOP: u8 = 0;
const ICMP: u8 = 1;
const TCP: u8 = 6;
const UDP: u8 = 17;
const ROUTING: u8 = 43;
const FRAGMENT: u8 = 44;
const ICMPV6: u8 = 58;
const OPTIONS: u8 = 60;

/// Starts a frame.
pub(crate) fn ethernet(to: [u8; 6], from: [u8; 6], ethertype: u16) -> Vec<u8> {
    let mut frame = Vec::with_capacity(128);
    frame.extend_from_slice(&to);
    frame.extend_from_slice(&from);
    frame.extend_from_slice(&ethertype.to_be_bytes());
    frame
}

/// Puts an IPv4 packet behind an Ethernet header. `fragment` is the word of flags and offset.
pub(crate) fn ipv4(
    frame: &mut Vec<u8>,
    [from, to]: [[u8; 4]; 2],
    protocol: u8,
    fragment: u16,
    options: &[u8],
    payload: &[u8],
) {
    let header = 20 + options.len().min(40).next_multiple_of(4);
    let total = (header + payload.len()) as u16;
    frame.extend_from_slice(&[0x40 | (header / 4) as u8, 0]);
    frame.extend_from_slice(&total.to_be_bytes());
    frame.extend_from_slice(&[0, 7]);
    frame.extend_from_slice(&fragment.to_be_bytes());
    frame.extend_from_slice(&[64, protocol, 0, 0]);
    frame.extend_from_slice(&from);
    frame.extend_from_slice(&to);
    let end = frame.len() + header - 20;
    frame.extend_from_slice(&options[..options.len().min(40)]);
    frame.resize(end, 0);
    frame.extend_from_slice(payload);
}

/// Puts an IPv6 packet behind an Ethernet header, with extension headers of these kinds.
pub(crate) fn ipv6(
    frame: &mut Vec<u8>,
    [from, to]: [[u8; 16]; 2],
    protocol: u8,
    hop_limit: u8,
    extensions: &[(u8, [u8; 6])],
    payload: &[u8],
) {
    let first = extensions.first().map_or(protocol, |it| it.0);
    let length = (8 * extensions.len() + payload.len()) as u16;
    frame.extend_from_slice(&[0x60, 0, 0, 0]);
    frame.extend_from_slice(&length.to_be_bytes());
    frame.extend_from_slice(&[first, hop_limit]);
    frame.extend_from_slice(&from);
    frame.extend_from_slice(&to);
    for (at, (_, body)) in extensions.iter().enumerate() {
        let next = extensions.get(at + 1).map_or(protocol, |it| it.0);
        frame.extend_from_slice(&[next, 0]);
        frame.extend_from_slice(body);
    }
    frame.extend_from_slice(payload);
}

/// Returns the kind of extension header that a number stands for.
pub(crate) fn extension(number: u8) -> u8 {
    [HOP_BY_HOP, ROUTING, FRAGMENT, OPTIONS][usize::from(number % 4)]
}

/// Makes a TCP segment: source and destination port, numbers, flags, window, options, payload.
pub(crate) struct Tcp<'a> {
    pub(crate) ports: [u16; 2],
    pub(crate) seq: u32,
    pub(crate) ack: u32,
    pub(crate) flags: u8,
    pub(crate) window: u16,
    pub(crate) options: &'a [u8],
    pub(crate) payload: &'a [u8],
}

impl Tcp<'_> {
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let options = &self.options[..self.options.len().min(40)];
        let header = 20 + options.len().next_multiple_of(4);
        let mut bytes = Vec::with_capacity(header + self.payload.len());
        bytes.extend_from_slice(&self.ports[0].to_be_bytes());
        bytes.extend_from_slice(&self.ports[1].to_be_bytes());
        bytes.extend_from_slice(&self.seq.to_be_bytes());
        bytes.extend_from_slice(&self.ack.to_be_bytes());
        bytes.extend_from_slice(&[(header as u8 / 4) << 4, self.flags]);
        bytes.extend_from_slice(&self.window.to_be_bytes());
        bytes.extend_from_slice(&[0; 4]);
        bytes.extend_from_slice(options);
        bytes.resize(header, 0);
        bytes.extend_from_slice(self.payload);
        bytes
    }
}

/// Makes the checksums of a frame hold, as far as it can be understood.
pub(crate) fn mend(frame: &mut [u8]) {
    let Some((ethernet, packet)) = frame.split_at_mut_checked(ETHERNET) else {
        return;
    };
    match &ethernet[12..] {
        [0x08, 0x00] => mend_ipv4(packet),
        [0x86, 0xdd] => mend_ipv6(packet),
        _ => {}
    }
}

fn mend_ipv4(packet: &mut [u8]) {
    let Some(&[first, ..]) = packet.first_chunk::<20>() else {
        return;
    };
    let header = usize::from(first & 15) * 4;
    let total = usize::from(u16::from_be_bytes([packet[2], packet[3]]));
    let end = total.min(packet.len());
    if header < 20 || header > end {
        return;
    }
    packet[10..12].fill(0);
    let checksum = !folded(sum(&packet[..header]));
    packet[10..12].copy_from_slice(&checksum.to_be_bytes());
    // Only the first fragment has the header that has a checksum.
    if packet[6] & 0x1f == 0 && packet[7] == 0 {
        let protocol = packet[9];
        let addresses = sum(&packet[12..20]);
        mend_payload(&mut packet[header..end], protocol, addresses);
    }
}

fn mend_ipv6(packet: &mut [u8]) {
    let Some(header) = packet.first_chunk::<40>() else {
        return;
    };
    let end = packet
        .len()
        .min(40 + usize::from(u16::from_be_bytes([header[4], header[5]])));
    let addresses = sum(&header[8..40]);
    let (mut next, mut at) = (header[6], 40);
    while let HOP_BY_HOP | ROUTING | FRAGMENT | OPTIONS = next {
        let Some(&[following, length]) =
            packet[..end].get(at..at + 2).and_then(<[u8]>::first_chunk)
        else {
            return;
        };
        at += if next == FRAGMENT {
            8
        } else {
            8 * (usize::from(length) + 1)
        };
        next = following;
    }
    if at <= end {
        mend_payload(&mut packet[at..end], next, addresses);
    }
}

/// `addresses` is the sum of both addresses.
fn mend_payload(payload: &mut [u8], protocol: u8, addresses: u32) {
    let pseudo = addresses + u32::from(protocol) + payload.len() as u32;
    let (at, pseudo) = match protocol {
        ICMP => (2, 0),
        TCP => (16, pseudo),
        UDP => (6, pseudo),
        ICMPV6 => (2, pseudo),
        _ => return,
    };
    let Some(field) = payload.get_mut(at..at + 2) else {
        return;
    };
    field.fill(0);
    let checksum = !folded(sum(payload) + pseudo);
    payload[at..at + 2].copy_from_slice(&checksum.to_be_bytes());
}

fn sum(bytes: &[u8]) -> u32 {
    let mut pairs = bytes.chunks_exact(2);
    let whole: u32 = pairs
        .by_ref()
        .map(|it| u32::from(u16::from_be_bytes([it[0], it[1]])))
        .sum();
    whole
        + pairs
            .remainder()
            .first()
            .map_or(0, |&last| u32::from(last) << 8)
}

fn folded(mut sum: u32) -> u16 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}

/// The numbers in a TCP segment that a frame holds, if it is a plain one.
pub(crate) struct Seen {
    pub(crate) to: IpAddr,
    pub(crate) ports: [u16; 2],
    /// The number behind all that it sends.
    pub(crate) end: u32,
    pub(crate) ack: u32,
}

/// Reads a frame that a stack has sent.
pub(crate) fn see(frame: &[u8]) -> Option<Seen> {
    let packet = frame.get(ETHERNET..)?;
    let (to, tcp) = match frame.get(12..14)? {
        [0x08, 0x00] if packet.get(9)? == &TCP => {
            let total = usize::from(u16::from_be_bytes([packet[2], packet[3]]));
            let to = packet.get(16..20)?.first_chunk::<4>()?;
            (IpAddr::from(*to), packet.get(20..total)?)
        }
        [0x86, 0xdd] if packet.get(6)? == &TCP => {
            let to = packet.get(24..40)?.first_chunk::<16>()?;
            (IpAddr::from(*to), packet.get(40..)?)
        }
        _ => return None,
    };
    let word = |at: usize| Some(u32::from_be_bytes(*tcp.get(at..)?.first_chunk()?));
    let header = usize::from(tcp.get(12)? >> 4) * 4;
    let flags = *tcp.get(13)?;
    let flag = u32::from(flags & 1 != 0) + u32::from(flags & 2 != 0);
    let ports = word(0)?;
    Some(Seen {
        to,
        ports: [(ports >> 16) as u16, ports as u16],
        end: word(4)?
            .wrapping_add(tcp.len().checked_sub(header)? as u32)
            .wrapping_add(flag),
        ack: word(8)?,
    })
}
