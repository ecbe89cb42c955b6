//! Hostile peers. All of them live in one thread, which never waits for the server.

use std::io::{self, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr};
use std::thread;
use std::time::{Duration, Instant};

use linecho_devices::{Tap, netns};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use super::adapter::Adapter;

/// The time between two things that a peer does.
const TICK: Duration = Duration::from_millis(10);
/// Peers of each lasting kind.
const EACH: usize = 8;
/// Connections that a flood opens at a tick, and the most that it holds.
const FLOOD: (usize, usize) = (8, 400);
/// SYNs at a tick.
const SYNS: usize = 20;
/// A slow reader sends so many bytes at a tick, and reads very few of them.
const GREEDY: usize = 8 * 1024;

/// What hostile peers have done.
#[derive(Clone, Copy, Debug, Default)]
#[allow(missing_docs, reason = "the report has a title for each")]
pub struct Did {
    pub flooded: u64,
    pub refused: u64,
    pub syns: u64,
    pub silent: u64,
    pub slow: u64,
    pub single: u64,
    pub reset: u64,
    pub half_closed: u64,
    /// Half-closing peers that got something else back than they had sent.
    pub wrong: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Silent,
    Slow,
    Single,
    HalfClosing,
    Flood,
}

struct Peer {
    kind: Kind,
    socket: Socket,
    until: Instant,
    sent: usize,
    received: Vec<u8>,
}

pub(super) struct Mob {
    address: SocketAddr,
    raw: Socket,
    network: [u8; 2],
    random: fastrand::Rng,
    peers: Vec<Peer>,
    pub(super) did: Did,
}

/// Gives the replies to SYNs from addresses that do not answer a way to go, where there is none.
/// The way exists as long as what is returned.
pub(super) fn way_for_replies(adapter: Adapter) -> io::Result<Option<Tap>> {
    if adapter == Adapter::Smoltcp {
        return Ok(None);
    }
    let failed = |error: String| io::Error::other(error);
    let tap = Tap::open("nowhere").map_err(|error| failed(error.to_string()))?;
    let address = IpAddr::from(Ipv4Addr::new(10, 66, 0, 1));
    netns::configure("nowhere", &[(address, 16)]).map_err(|error| failed(error.to_string()))?;
    Ok(Some(tap))
}

impl Mob {
    pub(super) fn new(address: SocketAddr, adapter: Adapter, seed: u64) -> io::Result<Self> {
        // With IPPROTO_RAW the sender writes the IP header: raw(7).
        let raw = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::from(255)))?;
        raw.set_nonblocking(true)?;
        let network = match adapter {
            Adapter::Std => [10, 66],
            Adapter::Smoltcp => [10, 77],
        };
        Ok(Self {
            address,
            raw,
            network,
            random: fastrand::Rng::with_seed(seed),
            peers: vec![],
            did: Did::default(),
        })
    }

    /// Lasts for `time`: all kinds of peers, then a flood of connections beside them, then one of
    /// SYNs, then all leave.
    pub(super) fn round(&mut self, time: Duration) -> io::Result<()> {
        let began = Instant::now();
        let mut tick = began;
        while began.elapsed() < time {
            let tenth = 10 * began.elapsed().as_millis() / time.as_millis();
            if tenth < 8 {
                self.beset();
            }
            match tenth {
                2..=3 => self.flood(),
                5..=6 => self.syns(),
                _ => {}
            }
            self.act();
            if tenth >= 8 {
                self.leave();
            }
            tick += TICK;
            thread::sleep(tick.saturating_duration_since(Instant::now()));
        }
        self.leave();
        Ok(())
    }

    /// Starts a connection that does not wait.
    fn connect(&mut self, kind: Kind, time: Duration) -> bool {
        let connect = || {
            let socket = Socket::new(Domain::for_address(self.address), Type::STREAM, None)?;
            socket.set_nonblocking(true)?;
            if kind == Kind::Slow {
                socket.set_recv_buffer_size(4096)?;
            }
            match socket.connect(&self.address.into()) {
                Err(error) if error.raw_os_error() != Some(nix::libc::EINPROGRESS) => Err(error),
                _ => Ok(socket),
            }
        };
        let Ok(socket) = connect() else {
            return false;
        };
        let wait = time.mul_f64(0.2 + 0.8 * self.random.f64());
        self.peers.push(Peer {
            kind,
            socket,
            until: Instant::now() + wait,
            sent: 0,
            received: vec![],
        });
        true
    }

    /// Keeps up the numbers of the lasting kinds, and lets some others come.
    fn beset(&mut self) {
        let lasting = [Kind::Silent, Kind::Slow, Kind::Single];
        for kind in lasting {
            let count = self.peers.iter().filter(|it| it.kind == kind).count();
            if count < EACH && self.connect(kind, Duration::from_secs(4)) {
                *match kind {
                    Kind::Silent => &mut self.did.silent,
                    Kind::Slow => &mut self.did.slow,
                    _ => &mut self.did.single,
                } += 1;
            }
        }
        if self.random.u8(..4) == 0 && self.connect(Kind::HalfClosing, Duration::from_secs(20)) {
            self.did.half_closed += 1;
        }
        if self.random.u8(..4) == 0 {
            self.reset_one();
        }
    }

    /// A peer that is connected breaks off, perhaps within a line.
    fn reset_one(&mut self) {
        let candidate = self.peers.iter().position(|it| it.kind == Kind::Single);
        if let Some(at) = candidate {
            let peer = self.peers.swap_remove(at);
            // A connection that is not open yet has nothing to reset.
            let _ = peer.socket.set_linger(Some(Duration::ZERO));
            self.did.reset += 1;
        }
    }

    fn flood(&mut self) {
        let (at_once, most) = FLOOD;
        let count = self
            .peers
            .iter()
            .filter(|it| it.kind == Kind::Flood)
            .count();
        for _ in 0..at_once.min(most.saturating_sub(count)) {
            if self.connect(Kind::Flood, Duration::from_secs(10)) {
                self.did.flooded += 1;
            }
        }
    }

    /// SYNs from addresses that do not answer.
    fn syns(&mut self) {
        let IpAddr::V4(server) = self.address.ip() else {
            return;
        };
        for _ in 0..SYNS {
            let [a, b] = self.network;
            let third = if b == 77 { 0 } else { self.random.u8(..) };
            let from = Ipv4Addr::new(a, b, third, self.random.u8(10..250));
            let packet = syn(
                from,
                server,
                self.random.u16(1024..),
                self.address.port(),
                self.random.u32(..),
            );
            let to = SockAddr::from(SocketAddr::new(self.address.ip(), 0));
            self.did.syns += u64::from(self.raw.send_to(&packet, &to).is_ok());
        }
    }

    fn act(&mut self) {
        let now = Instant::now();
        let mut at = 0;
        while at < self.peers.len() {
            let peer = &mut self.peers[at];
            let end = match peer.turn(now) {
                Ok(end) => end,
                Err(_) => {
                    self.did.refused += u64::from(peer.kind == Kind::Flood);
                    End::Over
                }
            };
            match end {
                End::No => at += 1,
                End::Over => drop(self.peers.swap_remove(at)),
                End::Wrong => {
                    self.did.wrong += 1;
                    self.peers.swap_remove(at);
                }
            }
        }
    }

    /// All go, half of them with a reset.
    fn leave(&mut self) {
        for peer in self.peers.drain(..) {
            if self.random.bool() {
                let _ = peer.socket.set_linger(Some(Duration::ZERO));
            }
        }
    }
}

enum End {
    No,
    Over,
    Wrong,
}

/// What a half-closing peer sends: its last line has no end.
const HALF: &[u8] = b"first\nsecond\nand the rest";

impl Peer {
    fn turn(&mut self, now: Instant) -> io::Result<End> {
        if now > self.until {
            return Ok(End::Over);
        }
        match self.kind {
            Kind::Silent | Kind::Flood => {
                // A flood sees here that it was refused.
                if let Some(error) = self.socket.take_error()? {
                    return Err(error);
                }
            }
            Kind::Single => {
                let byte = if self.sent % 40 == 39 { b'\n' } else { b'1' };
                self.write(&[byte])?;
                self.read(64)?;
                self.received.clear();
            }
            Kind::Slow => {
                let mut lines = vec![b'x'; GREEDY];
                lines
                    .iter_mut()
                    .step_by(1000)
                    .for_each(|byte| *byte = b'\n');
                self.write(&lines)?;
                self.read(10)?;
                self.received.clear();
            }
            Kind::HalfClosing => {
                if self.sent < HALF.len() {
                    self.write(&HALF[self.sent..])?;
                    if self.sent == HALF.len() {
                        self.socket.shutdown(Shutdown::Write)?;
                    }
                    return Ok(End::No);
                }
                if self.read(1000)? {
                    let right = self.received == HALF;
                    return Ok(if right { End::Over } else { End::Wrong });
                }
                if !HALF.starts_with(&self.received) {
                    return Ok(End::Wrong);
                }
            }
        }
        Ok(End::No)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self.socket.write(bytes) {
            Ok(n) => self.sent += n,
            Err(error) if is_not_ready(&error) => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Returns true at the end of input.
    fn read(&mut self, most: usize) -> io::Result<bool> {
        let mut bytes = vec![0; most];
        match self.socket.read(&mut bytes) {
            Ok(0) => Ok(true),
            Ok(n) => {
                self.received.extend_from_slice(&bytes[..n]);
                Ok(false)
            }
            Err(error) if is_not_ready(&error) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// Not connected yet, or nothing there.
fn is_not_ready(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::NotConnected
    )
}

/// A SYN in an IPv4 packet.
fn syn(from: Ipv4Addr, to: Ipv4Addr, from_port: u16, to_port: u16, number: u32) -> Vec<u8> {
    use smoltcp::phy::ChecksumCapabilities;
    use smoltcp::wire::{
        IpProtocol, Ipv4Packet, Ipv4Repr, TcpControl, TcpPacket, TcpRepr, TcpSeqNumber,
    };
    let tcp = TcpRepr {
        src_port: from_port,
        dst_port: to_port,
        control: TcpControl::Syn,
        seq_number: TcpSeqNumber(number.cast_signed()),
        ack_number: None,
        window_len: 1000,
        window_scale: None,
        max_seg_size: None,
        sack_permitted: false,
        sack_ranges: [None; 3],
        timestamp: None,
        payload: &[],
    };
    let ip = Ipv4Repr {
        src_addr: from,
        dst_addr: to,
        next_header: IpProtocol::Tcp,
        payload_len: tcp.buffer_len(),
        hop_limit: 64,
    };
    let checksums = ChecksumCapabilities::default();
    let mut packet = vec![0; ip.buffer_len() + tcp.buffer_len()];
    ip.emit(&mut Ipv4Packet::new_unchecked(&mut packet[..]), &checksums);
    let mut segment = TcpPacket::new_unchecked(&mut packet[ip.buffer_len()..]);
    tcp.emit(&mut segment, &from.into(), &to.into(), &checksums);
    packet
}
