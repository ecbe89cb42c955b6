//! Frames for the tests of all code that looks for a TCP segment in a frame.

use smoltcp::wire::IpEndpoint;

/// One frame a line, with its comment before it.
const FRAMES: &str = include_str!("segments.txt");

/// An Ethernet frame, and the TCP segment that must be found in it.
#[derive(Debug, Clone)]
pub struct Vector {
    /// Its name.
    pub name: &'static str,
    /// Its bytes.
    pub frame: Vec<u8>,
    /// The segment, if there is a whole one where smoltcp looks for it.
    pub found: Option<Found>,
}

/// A TCP segment in a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found {
    /// The sender.
    pub source: IpEndpoint,
    /// The receiver.
    pub destination: IpEndpoint,
    /// First byte of the TCP header, counted from the start of the frame.
    pub start: usize,
}

/// Returns all frames, each with the segment that must be found in it.
///
/// # Panics
///
/// When the list is not well-formed.
pub fn segments() -> impl Iterator<Item = Vector> {
    let lines = FRAMES.lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| {
        let [name, found, frame] = line.splitn(3, " | ").collect::<Vec<_>>()[..] else {
            panic!("not `name | segment | frame`: {line}");
        };
        Vector {
            name,
            frame: bytes(frame),
            found: (found != "none").then(|| parse(found)),
        }
    })
}

/// Parses `ADDRESS PORT ADDRESS PORT START`: sender, receiver, first byte of the TCP header.
fn parse(found: &str) -> Found {
    let [source, source_port, destination, destination_port, start] =
        found.split(' ').collect::<Vec<_>>()[..]
    else {
        panic!("no segment: {found}");
    };
    let endpoint = |address: &str, port: &str| {
        let address: core::net::IpAddr = address.parse().expect("an address");
        IpEndpoint::new(address.into(), port.parse().expect("a port"))
    };
    Found {
        source: endpoint(source, source_port),
        destination: endpoint(destination, destination_port),
        start: start.parse().expect("a number"),
    }
}

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<char> = hex.chars().filter(|digit| !digit.is_whitespace()).collect();
    let byte = |digits: &[char]| {
        u8::from_str_radix(&String::from_iter(digits), 16).expect("hexadecimal digits")
    };
    digits.chunks(2).map(byte).collect()
}
