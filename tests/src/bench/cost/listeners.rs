//! The paths of a line through the listeners of `linecho-smoltcp` and the stack under them.
//!
//! The peer is made of single segments: each brings a line and acknowledges the echo of the one
//! before. So little is counted beside listener and stack.

use std::hint::black_box;

use linecho_smoltcp::smoltcp::iface::{self, Interface, SocketSet, SocketStorage};
use linecho_smoltcp::smoltcp::phy::{self, Device, DeviceCapabilities, Medium};
use linecho_smoltcp::smoltcp::socket::tcp;
use linecho_smoltcp::smoltcp::time::Instant as StackInstant;
use linecho_smoltcp::smoltcp::wire::{EthernetAddress, HardwareAddress, IpAddress, IpCidr};
use linecho_smoltcp::{HashedListener, HashedSlot, Instant, Listener, Options};

const PORT: u16 = 7;
const SLOTS: usize = 4;
pub(super) const LINE: usize = 64;
const BUFFER: usize = 2048;
/// Microseconds from one line to the next.
const PAUSE: u64 = 100;

const ETHERNET_LEN: usize = 14;
const IPV4_LEN: usize = 20;
const TCP_LEN: usize = 20;
const FRAME_LEN: usize = ETHERNET_LEN + IPV4_LEN + TCP_LEN + LINE;

const OURS: [u8; 6] = [2, 0, 0, 0, 0, 1];
const THEIRS: [u8; 6] = [2, 0, 0, 0, 0, 2];

const SYN: u8 = 0x02;
const ACK: u8 = 0x10;
const PSH: u8 = 0x08;

/// Sends so many lines through a [`Listener`].
pub(super) fn through_listener(medium: Medium, times: usize) {
    let (mut wire, mut iface) = wire(medium);
    let mut lines = [[0; 256]; SLOTS];
    let mut storage = [const { SocketStorage::EMPTY }; SLOTS];
    let mut sockets = SocketSet::new(&mut storage[..]);
    let tcp = (0..SLOTS).map(|_| socket());
    let listener = Listener::<SLOTS>::new(PORT, Options::DEFAULT, &mut sockets, tcp, &mut lines);
    let mut listener = listener.expect("the port is one");
    wire.echo(times, |now, wire| {
        listener.poll(now, &mut iface, wire, &mut sockets, |_| ());
    });
}

/// Sends so many lines through a [`HashedListener`].
pub(super) fn through_hashed(medium: Medium, times: usize) {
    let (mut wire, mut iface) = wire(medium);
    let mut lines = [[0; 256]; SLOTS];
    let slots: Vec<_> = (0..SLOTS).map(|_| HashedSlot::default()).collect();
    let storage = (0..SLOTS).map(|_| SocketStorage::EMPTY).collect::<Vec<_>>();
    let tcp = (0..SLOTS).map(|_| socket());
    let (slots, storage) = (slots.leak(), storage.leak());
    let listener =
        HashedListener::<SLOTS>::new(PORT, Options::DEFAULT, 7, slots, storage, tcp, &mut lines);
    let mut listener = listener.expect("the port is one");
    let mut others = SocketSet::new(&mut [][..]);
    wire.echo(times, |now, wire| {
        listener.poll(now, &mut iface, wire, &mut others, |_| ());
    });
}

fn socket() -> tcp::Socket<'static> {
    let buffer = || tcp::SocketBuffer::new(vec![0; BUFFER]);
    tcp::Socket::new(buffer(), buffer())
}

fn wire(medium: Medium) -> (Wire, Interface) {
    let mut wire = Wire {
        medium,
        arriving: None,
        sent: [0; FRAME_LEN],
        sent_len: 0,
    };
    let hardware = match medium {
        Medium::Ethernet => EthernetAddress(OURS).into(),
        _ => HardwareAddress::Ip,
    };
    let mut iface = Interface::new(iface::Config::new(hardware), &mut wire, StackInstant::ZERO);
    iface.update_ip_addrs(|own| {
        let address = IpCidr::new(IpAddress::v4(10, 0, 0, 1), 24);
        own.push(address).expect("there is room for one");
    });
    (wire, iface)
}

/// A device with room for one frame in either direction, and the peer behind it.
struct Wire {
    medium: Medium,
    arriving: Option<Segment>,
    sent: [u8; FRAME_LEN],
    sent_len: usize,
}

impl Wire {
    /// Connects, and sends so many lines, each after the echo of the one before. `poll` gives the
    /// listener its turn.
    fn echo(&mut self, times: usize, mut poll: impl FnMut(Instant, &mut Self)) {
        let mut now = 0;
        let mut turn = |wire: &mut Self, segment: Segment| {
            now += PAUSE;
            wire.arriving = Some(segment);
            wire.sent_len = 0;
            poll(Instant::from_micros(now), wire);
        };
        if self.medium == Medium::Ethernet {
            turn(self, Segment::arp_request());
        }
        turn(self, Segment::new(self.medium, SYN, &[]).at(0, 0));
        let start = self.start();
        let number = &self.sent[start + IPV4_LEN + 4..][..4];
        let iss = u32::from_be_bytes(number.try_into().expect("it has four bytes"));
        let (mut seq, mut ack) = (1, iss.wrapping_add(1));
        turn(self, Segment::new(self.medium, ACK, &[]).at(seq, ack));
        let mut line = [b'x'; LINE];
        line[LINE - 1] = b'\n';
        let segment = Segment::new(self.medium, ACK | PSH, &line);
        for _ in 0..times {
            turn(self, black_box(&segment).at(seq, ack));
            assert_eq!(self.sent_len, segment.len, "the echo of a line");
            (seq, ack) = (seq + LINE as u32, ack.wrapping_add(LINE as u32));
        }
        assert_eq!(self.sent[segment.len - LINE..segment.len], line);
    }

    /// The place of the IP packet in a frame.
    fn start(&self) -> usize {
        start(self.medium)
    }
}

fn start(medium: Medium) -> usize {
    if medium == Medium::Ethernet {
        ETHERNET_LEN
    } else {
        0
    }
}

/// A segment of the peer, or its ARP request.
#[derive(Clone)]
struct Segment {
    bytes: [u8; FRAME_LEN],
    len: usize,
    /// The place of the segment in the frame.
    at: usize,
    /// The sum of all words that the checksum covers, with both numbers 0.
    sum: u32,
}

impl Segment {
    fn new(medium: Medium, flags: u8, payload: &[u8]) -> Self {
        let start = start(medium);
        let at = start + IPV4_LEN;
        let len = at + TCP_LEN + payload.len();
        let mut bytes = [0; FRAME_LEN];
        if start > 0 {
            bytes[..6].copy_from_slice(&OURS);
            bytes[6..12].copy_from_slice(&THEIRS);
            bytes[12] = 8;
        }
        let ip = &mut bytes[start..len];
        (ip[0], ip[3], ip[8], ip[9]) = (0x45, (len - start) as u8, 64, 6);
        ip[12..20].copy_from_slice(&[10, 0, 0, 2, 10, 0, 0, 1]);
        let sum = !folded(words(&ip[..IPV4_LEN]));
        ip[10..12].copy_from_slice(&sum.to_be_bytes());
        let addresses = words(&ip[12..20]);
        let tcp = &mut bytes[at..len];
        (tcp[0], tcp[3], tcp[12], tcp[13]) = (0x40, PORT as u8, 5 << 4, flags);
        // A window of 8 KiB.
        tcp[14] = 0x20;
        tcp[TCP_LEN..].copy_from_slice(payload);
        let sum = addresses + words(tcp) + 6 + tcp.len() as u32;
        Self {
            bytes,
            len,
            at,
            sum,
        }
    }

    /// The peer asks for our hardware address, and so tells its own.
    fn arp_request() -> Self {
        let mut bytes = [0; FRAME_LEN];
        bytes[..6].fill(0xff);
        bytes[6..12].copy_from_slice(&THEIRS);
        bytes[12..22].copy_from_slice(&[8, 6, 0, 1, 8, 0, 6, 4, 0, 1]);
        bytes[22..28].copy_from_slice(&THEIRS);
        bytes[28..32].copy_from_slice(&[10, 0, 0, 2]);
        bytes[38..42].copy_from_slice(&[10, 0, 0, 1]);
        let (len, at, sum) = (42, 0, 0);
        Self {
            bytes,
            len,
            at,
            sum,
        }
    }

    /// The same segment with these numbers.
    fn at(&self, seq: u32, ack: u32) -> Self {
        let mut segment = self.clone();
        let tcp = &mut segment.bytes[self.at..];
        tcp[4..8].copy_from_slice(&seq.to_be_bytes());
        tcp[8..12].copy_from_slice(&ack.to_be_bytes());
        let numbers = (seq >> 16) + (seq & 0xffff) + (ack >> 16) + (ack & 0xffff);
        let checksum = !folded(self.sum + numbers);
        tcp[16..18].copy_from_slice(&checksum.to_be_bytes());
        segment
    }
}

fn words(bytes: &[u8]) -> u32 {
    let word = |pair: &[u8]| u32::from(pair[0]) << 8 | u32::from(pair[1]);
    bytes.chunks_exact(2).map(word).sum()
}

fn folded(sum: u32) -> u16 {
    let sum = (sum >> 16) + (sum & 0xffff);
    ((sum >> 16) + sum) as u16
}

impl Device for Wire {
    type RxToken<'a> = Received;
    type TxToken<'a> = Sending<'a>;

    fn receive(&mut self, _: StackInstant) -> Option<(Received, Sending<'_>)> {
        let segment = self.arriving.take()?;
        Some((Received(segment), Sending(self)))
    }

    fn transmit(&mut self, _: StackInstant) -> Option<Sending<'_>> {
        Some(Sending(self))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = self.medium;
        capabilities.max_transmission_unit = 1500;
        capabilities
    }
}

struct Received(Segment);

impl phy::RxToken for Received {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(&self.0.bytes[..self.0.len])
    }
}

struct Sending<'a>(&'a mut Wire);

impl phy::TxToken for Sending<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        self.0.sent_len = len;
        f(&mut self.0.sent[..len])
    }
}
