//! The peer at the other end of many connections: it makes each segment by hand, before the server
//! is measured, and checks each answer afterwards, so that its own work is no part of the figures.

use std::io;

use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::{
    IpAddress, IpProtocol, Ipv4Address, Ipv4Packet, Ipv4Repr, TcpControl, TcpPacket, TcpRepr,
    TcpSeqNumber,
};

use crate::bench::measure::load::check;
use crate::bench::measure::pattern::Pattern;

/// The server, as the peer sees it.
pub(super) const SERVER: Ipv4Address = Ipv4Address::new(10, 0, 0, 1);
pub(super) const PORT: u16 = 7;

/// The lines that are echoed.
pub(super) const LINE_BYTES: usize = 64;

/// The number of connections from each address of the peer, on ports from this one on.
const PORTS: usize = 1_000;
const FIRST_PORT: u16 = 40_000;

/// The connections of the peer.
pub(super) struct Peer {
    connections: Vec<Connection>,
    pattern: Pattern,
}

/// A connection to the server, in which only whole lines are sent.
#[derive(Clone, Copy, Debug)]
struct Connection {
    address: Ipv4Address,
    port: u16,
    /// The next sequence numbers of either side.
    own: TcpSeqNumber,
    server: TcpSeqNumber,
    /// Positions in the pattern.
    sent: u64,
    received: u64,
}

impl Peer {
    /// A peer with `count` connections that are still to be opened.
    pub(super) fn new(count: usize) -> Self {
        let pattern = Pattern::new(LINE_BYTES);
        let connection = |number: usize| Connection {
            address: Ipv4Address::new(10, 1, 0, (number / PORTS) as u8 + 1),
            port: FIRST_PORT + (number % PORTS) as u16,
            own: TcpSeqNumber(number as i32 * 7919),
            server: TcpSeqNumber(0),
            sent: pattern.start(number),
            received: pattern.start(number),
        };
        Self {
            connections: (0..count).map(connection).collect(),
            pattern,
        }
    }

    /// The number of connections.
    pub(super) fn count(&self) -> usize {
        self.connections.len()
    }

    /// The SYN of a connection.
    pub(super) fn syn(&mut self, number: usize) -> Vec<u8> {
        let connection = &mut self.connections[number];
        let segment = connection.segment(TcpControl::Syn, None, &[]);
        connection.own += 1;
        segment
    }

    /// Acknowledges what [`receive`](Self::receive) has seen: the server's SYN, a line.
    pub(super) fn ack(&self, number: usize) -> Vec<u8> {
        let connection = &self.connections[number];
        connection.segment(TcpControl::None, Some(connection.server), &[])
    }

    /// The next line on a connection. It acknowledges all lines before, as if they had come back.
    pub(super) fn line(&mut self, number: usize) -> Vec<u8> {
        let connection = &mut self.connections[number];
        let in_flight = (connection.sent - connection.received) as usize;
        let line = self.pattern.at(connection.sent, LINE_BYTES);
        let acknowledged = connection.server + in_flight;
        let segment = connection.segment(TcpControl::Psh, Some(acknowledged), line);
        connection.own += LINE_BYTES;
        connection.sent += LINE_BYTES as u64;
        segment
    }

    /// Checks a frame from the server.
    ///
    /// # Errors
    ///
    /// When it is anything but the next segment of one of the connections, with the next bytes of
    /// its lines in it.
    pub(super) fn receive(&mut self, frame: &[u8]) -> io::Result<()> {
        let broken = |error| io::Error::other(format!("the server sent no TCP segment: {error}"));
        let ip = Ipv4Packet::new_checked(frame).map_err(broken)?;
        let tcp = TcpPacket::new_checked(ip.payload()).map_err(broken)?;
        let [.., address] = ip.dst_addr().octets();
        let port = usize::from(tcp.dst_port().wrapping_sub(FIRST_PORT));
        let number = (usize::from(address).wrapping_sub(1)).wrapping_mul(PORTS) + port;
        let unexpected =
            || io::Error::other(format!("the server sent on connection {number}: {tcp}"));
        let connection = self.connections.get_mut(number).ok_or_else(unexpected)?;
        if tcp.rst() || tcp.fin() {
            return Err(unexpected());
        }
        if tcp.syn() {
            connection.server = tcp.seq_number() + 1;
            return Ok(());
        }
        let echo = tcp.payload();
        if tcp.seq_number() != connection.server {
            return Err(unexpected());
        }
        check(&self.pattern, connection.received, echo)?;
        connection.received += echo.len() as u64;
        connection.server += echo.len();
        Ok(())
    }

    /// Sees to it that everything has come back on a connection.
    ///
    /// # Errors
    ///
    /// When it has not.
    pub(super) fn check_all_back(&self, number: usize) -> io::Result<()> {
        let connection = &self.connections[number];
        if connection.received == connection.sent {
            return Ok(());
        }
        Err(io::Error::other(format!(
            "{} bytes did not come back on connection {number}",
            connection.sent - connection.received
        )))
    }
}

/// The number of the connection that a frame of the peer is for.
pub(super) fn number(frame: &[u8]) -> usize {
    // The last byte of the source address, and the source port, behind a header without options.
    let port = u16::from_be_bytes([frame[20], frame[21]]);
    (usize::from(frame[15]) - 1) * PORTS + usize::from(port - FIRST_PORT)
}

impl Connection {
    fn segment(
        &self,
        control: TcpControl,
        ack_number: Option<TcpSeqNumber>,
        payload: &[u8],
    ) -> Vec<u8> {
        let tcp = TcpRepr {
            src_port: self.port,
            dst_port: PORT,
            control,
            seq_number: self.own,
            ack_number,
            window_len: u16::MAX,
            window_scale: None,
            max_seg_size: (control == TcpControl::Syn).then_some(1460),
            sack_permitted: false,
            sack_ranges: [None; 3],
            timestamp: None,
            payload,
        };
        let ip = Ipv4Repr {
            src_addr: self.address,
            dst_addr: SERVER,
            next_header: IpProtocol::Tcp,
            payload_len: tcp.buffer_len(),
            hop_limit: 64,
        };
        let checksums = ChecksumCapabilities::ignored();
        let mut frame = vec![0; ip.buffer_len() + tcp.buffer_len()];
        let (header, segment) = frame.split_at_mut(ip.buffer_len());
        ip.emit(&mut Ipv4Packet::new_unchecked(header), &checksums);
        let (from, to) = (IpAddress::from(self.address), IpAddress::from(SERVER));
        tcp.emit(
            &mut TcpPacket::new_unchecked(segment),
            &from,
            &to,
            &checksums,
        );
        frame
    }
}
