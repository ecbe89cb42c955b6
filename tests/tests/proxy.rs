//! The parser of PROXY headers against another one, on made headers and on broken ones.
//!
//! Where both differ, the specification decides (`proxy-protocol.txt`, haproxy.org): each kind of
//! difference has its name and its section in [`difference`], and any other one fails.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use fastrand::Rng;
use linecho_std::ProxyHeader;
use ppp::{HeaderResult, PartialResult as _, v1, v2};

const V2_BEGIN: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";

/// The result of a parser.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Parsed {
    Incomplete,
    Invalid,
    Header {
        length: usize,
        ends: Option<(SocketAddr, SocketAddr)>,
    },
}

fn ours(bytes: &[u8]) -> Parsed {
    match ProxyHeader::parse(bytes) {
        Ok(None) => Parsed::Incomplete,
        Err(_) => Parsed::Invalid,
        Ok(Some(header)) => Parsed::Header {
            length: header.length,
            ends: header.source.zip(header.destination),
        },
    }
}

fn theirs(bytes: &[u8]) -> Parsed {
    let result = HeaderResult::parse(bytes);
    if result.is_incomplete() {
        return Parsed::Incomplete;
    }
    fn both(
        source: impl Into<IpAddr>,
        from: u16,
        destination: impl Into<IpAddr>,
        to: u16,
    ) -> Option<(SocketAddr, SocketAddr)> {
        Some((
            SocketAddr::new(source.into(), from),
            SocketAddr::new(destination.into(), to),
        ))
    }
    match result {
        HeaderResult::V1(Ok(header)) => Parsed::Header {
            length: header.header.len(),
            ends: match header.addresses {
                v1::Addresses::Unknown => None,
                v1::Addresses::Tcp4(it) => both(
                    it.source_address,
                    it.source_port,
                    it.destination_address,
                    it.destination_port,
                ),
                v1::Addresses::Tcp6(it) => both(
                    it.source_address,
                    it.source_port,
                    it.destination_address,
                    it.destination_port,
                ),
            },
        },
        HeaderResult::V2(Ok(header)) => Parsed::Header {
            length: header.len(),
            ends: match header.addresses {
                _ if header.command == v2::Command::Local => None,
                _ if header.protocol != v2::Protocol::Stream => None,
                v2::Addresses::IPv4(it) => both(
                    it.source_address,
                    it.source_port,
                    it.destination_address,
                    it.destination_port,
                ),
                v2::Addresses::IPv6(it) => both(
                    it.source_address,
                    it.source_port,
                    it.destination_address,
                    it.destination_port,
                ),
                _ => None,
            },
        },
        HeaderResult::V1(Err(_)) | HeaderResult::V2(Err(_)) => Parsed::Invalid,
    }
}

/// Names the difference between both parsers, if the specification wants it as ours is.
fn difference(bytes: &[u8], ours: Parsed, theirs: Parsed) -> Option<&'static str> {
    let is_header = |parsed| matches!(parsed, Parsed::Header { .. });
    if let Some(rest) = bytes.strip_prefix(V2_BEGIN) {
        let (command, family) = (rest.first().copied(), rest.get(1).copied());
        return match (ours, theirs) {
            (Parsed::Invalid, Parsed::Incomplete) => {
                Some("2.2: known to be wrong before its 16 bytes are there")
            }
            // "The receiver ... must discard the protocol block including the family which is
            // ignored."
            _ if command == Some(0x20) && ours != Parsed::Invalid => {
                Some("2.2: LOCAL ignores the family and the addresses")
            }
            // "Other values are unspecified and ... must be rejected as invalid by receivers."
            (Parsed::Invalid, _) if matches!(family, Some(0x01 | 0x02 | 0x10 | 0x20 | 0x30)) => {
                Some("2.2: half a family is an unspecified one")
            }
            _ => None,
        };
    }
    let end = bytes.iter().position(|&byte| byte == b'\n');
    let line = &bytes[..end.unwrap_or(bytes.len())];
    match (ours, theirs) {
        // "The receiver must wait for the CRLF sequence": nothing is decided before.
        (Parsed::Incomplete, Parsed::Invalid) if end.is_none() => {
            Some("2.1: not decided before the end of the line")
        }
        (Parsed::Invalid, Parsed::Incomplete) if end.is_some() => {
            Some("2.1: the line has ended, and is wrong")
        }
        (Parsed::Invalid, _) if line.len() >= 107 => Some("2.1: no CR LF in the first 107 bytes"),
        // "Anything presented before the CRLF must be ignored" after UNKNOWN.
        (ours, _) if is_header(ours) && line.starts_with(b"PROXY UNKNOWN") => {
            Some("2.1: UNKNOWN ignores the rest of its line")
        }
        (Parsed::Invalid, theirs) if is_header(theirs) && !line.ends_with(b"\r") => {
            Some("2.1: a line ends with CR LF")
        }
        (Parsed::Invalid, theirs) if is_header(theirs) && line.contains(&b'+') => {
            Some("2.1: a port is made of digits")
        }
        (Parsed::Invalid, theirs) if is_header(theirs) && line.starts_with(b"PROXY UNKNOWN") => {
            Some("2.1: UNKNOWN is a word of its own")
        }
        (Parsed::Invalid, Parsed::Incomplete)
            if !b"PROXY ".starts_with(bytes) && !bytes.starts_with(b"PROXY ") =>
        {
            Some("2.1: not the beginning of a header")
        }
        _ => None,
    }
}

/// Makes a valid header, with the addresses in it.
fn valid(random: &mut Rng) -> (Vec<u8>, Option<(SocketAddr, SocketAddr)>) {
    let v4 = |random: &mut Rng| SocketAddr::from((Ipv4Addr::from(random.u32(..)), random.u16(..)));
    let v6 = |random: &mut Rng| SocketAddr::from((Ipv6Addr::from(random.u128(..)), random.u16(..)));
    let ends = match random.bool() {
        true => (v4(random), v4(random)),
        false => (v6(random), v6(random)),
    };
    let (source, destination) = ends;
    if random.bool() {
        let protocol = if source.is_ipv4() { "TCP4" } else { "TCP6" };
        if random.u8(..) < 16 {
            return (b"PROXY UNKNOWN\r\n".to_vec(), None);
        }
        let line = format!(
            "PROXY {protocol} {} {} {} {}\r\n",
            source.ip(),
            destination.ip(),
            source.port(),
            destination.port()
        );
        return (line.into_bytes(), Some(ends));
    }
    let mut block = Vec::new();
    for ip in [source.ip(), destination.ip()] {
        match ip {
            IpAddr::V4(ip) => block.extend(ip.octets()),
            IpAddr::V6(ip) => block.extend(ip.octets()),
        }
    }
    for port in [source.port(), destination.port()] {
        block.extend(port.to_be_bytes());
    }
    let family = if source.is_ipv4() { 0x11 } else { 0x21 };
    let (command, family, ends) = match random.u8(..16) {
        0 => (0x20, family, None),
        1 => (0x20, 0, None),
        2 => (0x21, 0, None),
        // The same for datagrams, which no stream has.
        3 => (0x21, family + 1, None),
        4 => {
            block.resize(216, 7);
            (0x21, 0x31, None)
        }
        _ => (0x21, family, Some(ends)),
    };
    for _ in 0..random.u8(..3) {
        let value = vec![random.u8(..); random.usize(..40)];
        block.push(random.u8(..));
        block.extend(u16::try_from(value.len()).unwrap().to_be_bytes());
        block.extend(value);
    }
    let mut header = V2_BEGIN.to_vec();
    header.extend([command, family]);
    header.extend(u16::try_from(block.len()).unwrap().to_be_bytes());
    header.extend(block);
    (header, ends)
}

/// Breaks a header in a few places.
fn break_it(header: &mut Vec<u8>, random: &mut Rng) {
    for _ in 0..random.usize(1..4) {
        if header.is_empty() {
            return;
        }
        let at = random.usize(..header.len());
        match random.u8(..6) {
            0 => header[at] = random.u8(..),
            1 => header[at] ^= 1 << random.u8(..8),
            2 => drop(header.remove(at)),
            3 => header.insert(at, *random.choice(b"0 +:.\r\nPROXY\xff").unwrap()),
            4 => header.truncate(at),
            _ => {
                let part = header[at..].to_vec();
                header.extend(part);
            }
        }
    }
}

#[test]
fn both_parsers_agree_but_where_the_specification_is_with_ours() {
    let count = match std::env::var_os("LINECHO_FULL") {
        Some(_) => 100_000_000_u64,
        None => 200_000,
    };
    let seed = std::env::var("LINECHO_SEED").map_or(1, |seed| seed.parse().unwrap());
    println!("seed {seed}, {count} headers");
    let mut random = Rng::with_seed(seed);
    let mut differences: BTreeMap<_, (u64, Vec<u8>)> = BTreeMap::new();
    for number in 0..count {
        let (mut bytes, ends) = valid(&mut random);
        if number % 2 == 0 {
            let length = bytes.len();
            bytes.extend(std::iter::repeat_n(b'x', random.usize(..3)));
            assert_eq!(
                ours(&bytes),
                Parsed::Header { length, ends },
                "{}",
                bytes.escape_ascii()
            );
        } else {
            break_it(&mut bytes, &mut random);
        }
        let (ours, theirs) = (ours(&bytes), theirs(&bytes));
        if ours != theirs {
            let Some(name) = difference(&bytes, ours, theirs) else {
                panic!("{}: ours {ours:?}, theirs {theirs:?}", bytes.escape_ascii());
            };
            differences.entry(name).or_insert((0, bytes)).0 += 1;
        }
    }
    for (name, (count, example)) in differences {
        println!("{count:9} {name}, as in {}", example.escape_ascii());
    }
}
