//! A peer that is made of single segments, and follows no protocol but the test's.

use linecho_smoltcp::smoltcp::phy::ChecksumCapabilities;
use linecho_smoltcp::smoltcp::wire::{
    IpAddress, IpCidr, IpEndpoint, IpProtocol, IpRepr, Ipv4Packet, TcpControl, TcpPacket, TcpRepr,
    TcpSeqNumber, TcpTimestampRepr,
};

use super::{Kit, PORT, SERVER, Server};

/// A segment that the server sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    pub(crate) control: TcpControl,
    pub(crate) seq: TcpSeqNumber,
    pub(crate) ack: Option<TcpSeqNumber>,
    pub(crate) payload: Vec<u8>,
    pub(crate) timestamp: bool,
}

pub(crate) struct Raw {
    pub(crate) endpoint: IpEndpoint,
    /// The next sequence number, and the one expected from the server.
    pub(crate) seq: TcpSeqNumber,
    pub(crate) ack: Option<TcpSeqNumber>,
    pub(crate) timestamps: bool,
    pub(crate) window: u16,
    /// The number of frames in `kit.seen` that it has read.
    read: usize,
}

impl Raw {
    pub(crate) fn new(address: IpAddress, port: u16) -> Self {
        Self {
            endpoint: IpEndpoint::new(address, port),
            seq: TcpSeqNumber(1000),
            ack: None,
            timestamps: false,
            window: 60_000,
            read: 0,
        }
    }

    /// Puts a segment on the link to the server. Does not move `seq`.
    pub(crate) fn put<const N: usize, L: Server>(
        &self,
        kit: &mut Kit<N, L>,
        control: TcpControl,
        payload: &[u8],
    ) {
        let timestamp = self.timestamps.then(|| TcpTimestampRepr::new(1, 0));
        let tcp = TcpRepr {
            src_port: self.endpoint.port,
            dst_port: PORT,
            control,
            seq_number: self.seq,
            ack_number: self.ack,
            window_len: self.window,
            window_scale: None,
            max_seg_size: (control == TcpControl::Syn).then_some(1460),
            sack_permitted: false,
            sack_ranges: [None; 3],
            timestamp,
            payload,
        };
        let server = kit
            .server
            .iface
            .ip_addrs()
            .first()
            .map_or(SERVER, IpCidr::address);
        let ip = IpRepr::new(
            self.endpoint.addr,
            server,
            IpProtocol::Tcp,
            tcp.buffer_len(),
            64,
        );
        let mut frame = vec![0; ip.buffer_len()];
        let checksums = ChecksumCapabilities::default();
        ip.emit(&mut frame[..], &checksums);
        let mut packet = TcpPacket::new_unchecked(&mut frame[ip.header_len()..]);
        tcp.emit(&mut packet, &self.endpoint.addr, &server, &checksums);
        kit.server.device.rx.borrow_mut().push_back(frame);
    }

    pub(crate) fn syn<const N: usize, L: Server>(&mut self, kit: &mut Kit<N, L>) {
        self.ack = None;
        self.put(kit, TcpControl::Syn, b"");
    }

    pub(crate) fn send<const N: usize, L: Server>(&mut self, kit: &mut Kit<N, L>, payload: &[u8]) {
        self.put(kit, TcpControl::Psh, payload);
        self.seq += payload.len();
    }

    pub(crate) fn fin<const N: usize, L: Server>(&mut self, kit: &mut Kit<N, L>, payload: &[u8]) {
        self.put(kit, TcpControl::Fin, payload);
        self.seq += payload.len() + 1;
    }

    pub(crate) fn ack<const N: usize, L: Server>(&mut self, kit: &mut Kit<N, L>) {
        self.put(kit, TcpControl::None, b"");
    }

    /// Takes the segments that the server has sent to this peer since the last time.
    pub(crate) fn take<const N: usize, L: Server>(&mut self, kit: &Kit<N, L>) -> Vec<Segment> {
        let fresh = &kit.seen[self.read..];
        self.read = kit.seen.len();
        fresh.iter().filter_map(|frame| self.parse(frame)).collect()
    }

    fn parse(&self, frame: &[u8]) -> Option<Segment> {
        let ip = Ipv4Packet::new_checked(frame).ok()?;
        let tcp = TcpPacket::new_checked(ip.payload()).ok()?;
        let mine = IpAddress::Ipv4(ip.dst_addr()) == self.endpoint.addr
            && tcp.dst_port() == self.endpoint.port;
        let repr = TcpRepr::parse(
            &tcp,
            &ip.src_addr().into(),
            &ip.dst_addr().into(),
            &ChecksumCapabilities::default(),
        );
        let repr = repr.ok().filter(|_| mine)?;
        Some(Segment {
            control: repr.control,
            seq: repr.seq_number,
            ack: repr.ack_number,
            payload: repr.payload.to_vec(),
            timestamp: repr.timestamp.is_some(),
        })
    }

    /// Takes the segments likewise, and moves `ack` behind all of them.
    pub(crate) fn take_and_note<const N: usize, L: Server>(
        &mut self,
        kit: &Kit<N, L>,
    ) -> Vec<Segment> {
        let segments = self.take(kit);
        for segment in &segments {
            let flag = usize::from(matches!(segment.control, TcpControl::Syn | TcpControl::Fin));
            let end = segment.seq + segment.payload.len() + flag;
            if self.ack.is_none_or(|ack| ack < end) {
                self.ack = Some(end);
            }
        }
        segments
    }

    /// A whole handshake.
    #[track_caller]
    pub(crate) fn connect<const N: usize, L: Server>(&mut self, kit: &mut Kit<N, L>) {
        self.take(kit);
        self.syn(kit);
        self.seq += 1;
        let until = kit.now();
        kit.step(until);
        let answer = self.take_and_note(kit);
        assert_eq!(
            answer.first().map(|s| s.control),
            Some(TcpControl::Syn),
            "{answer:?}"
        );
        self.ack(kit);
        kit.step(until);
    }
}
