//! A listener on an Ethernet, and peers on it that are made of single segments.

use std::time::Duration;

use linecho_devices::faulty::VirtualClock;
use linecho_smoltcp::smoltcp::phy::{ChecksumCapabilities, Medium};
use linecho_smoltcp::smoltcp::time::Instant as StackInstant;
use linecho_smoltcp::smoltcp::wire::{
    ArpOperation, ArpPacket, ArpRepr, EthernetAddress, EthernetFrame, EthernetProtocol, IpAddress,
    IpProtocol, IpRepr, Ipv4Address, Ipv4Packet, TcpControl, TcpPacket, TcpRepr, TcpSeqNumber,
};
use linecho_smoltcp::{HashedListener, Instant, Listener, Options, Wake, from_stack_time};

use super::{Host, PORT, SERVER, Server, StandStill, deadline, hashed_listener, listen};

pub(crate) const OURS: EthernetAddress = EthernetAddress([2, 0, 0, 0, 0, 1]);
pub(crate) const OUR_ADDRESS: Ipv4Address = Ipv4Address::new(10, 0, 0, 1);

/// One end of a connection. The addresses of a peer follow from its number.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    pub(crate) address: Ipv4Address,
    pub(crate) hardware: EthernetAddress,
    pub(crate) port: u16,
    pub(crate) seq: TcpSeqNumber,
    pub(crate) ack: Option<TcpSeqNumber>,
}

impl Peer {
    pub(crate) fn new(number: u8) -> Self {
        Self {
            address: Ipv4Address::new(10, 0, 0, number),
            hardware: EthernetAddress([2, 0, 0, 0, 0, number]),
            port: 1,
            seq: TcpSeqNumber(1000),
            ack: None,
        }
    }
}

/// A segment that the server sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sent {
    pub(crate) at: Instant,
    pub(crate) hardware: EthernetAddress,
    pub(crate) address: Ipv4Address,
    pub(crate) port: u16,
    pub(crate) control: TcpControl,
    pub(crate) seq: TcpSeqNumber,
    pub(crate) ack: Option<TcpSeqNumber>,
    pub(crate) payload: Vec<u8>,
}

pub(crate) struct Wire<L> {
    pub(crate) clock: VirtualClock,
    pub(crate) host: Host,
    pub(crate) listener: L,
    pub(crate) turns: usize,
    /// Addresses whose hosts answer ARP requests.
    pub(crate) answering: Vec<Peer>,
    pub(crate) segments: Vec<Sent>,
    pub(crate) arp: Vec<ArpRepr>,
    /// Other frames that the server sent.
    pub(crate) others: Vec<Vec<u8>>,
}

/// Puts a [`Listener`] on a wire.
pub(crate) fn plain<const SLOTS: usize>(options: Options) -> Wire<Listener<'static, SLOTS>> {
    Wire::new(|host| listen(&mut host.sockets, PORT, options, SLOTS))
}

/// Puts a [`HashedListener`] on a wire.
pub(crate) fn hashed<const LINES: usize>(
    options: Options,
    slots: usize,
) -> Wire<HashedListener<'static, LINES>> {
    Wire::new(|_| hashed_listener(options, slots))
}

impl<L: Server> Wire<L> {
    pub(crate) fn new(listener: impl FnOnce(&mut Host) -> L) -> Self {
        let mut host = Host::on(Medium::Ethernet, SERVER, 1);
        assert_eq!(host.iface.hardware_addr(), OURS.into());
        let listener = listener(&mut host);
        Self {
            clock: VirtualClock::new(StackInstant::from_secs(1)),
            host,
            listener,
            turns: 0,
            answering: vec![],
            segments: vec![],
            arp: vec![],
            others: vec![],
        }
    }

    pub(crate) fn now(&self) -> Instant {
        from_stack_time(self.clock.now())
    }

    /// Gives the listener turns whenever one is due, for as long as `time` takes.
    pub(crate) fn pass(&mut self, time: Duration) {
        let until = self.now() + time;
        let mut stand_still = StandStill::default();
        while self.now() < until {
            self.turns += 1;
            let now = self.now();
            stand_still.step(now);
            let wake = self.listener.poll(now, &mut self.host, &mut |_| ());
            self.collect();
            let waits = !self.host.device.rx.borrow().is_empty();
            let wake = if waits { Wake::Again } else { wake };
            let left = until.saturating_duration_since(now);
            self.clock.pass([deadline(wake, now)], left).unwrap();
        }
    }

    /// Sorts the frames that the server sent; hosts answer.
    fn collect(&mut self) {
        let frames: Vec<Vec<u8>> = self.host.device.tx.borrow_mut().drain(..).collect();
        for bytes in frames {
            let frame = EthernetFrame::new_unchecked(&bytes[..]);
            match frame.ethertype() {
                EthernetProtocol::Arp => {
                    let packet = ArpPacket::new_checked(frame.payload()).unwrap();
                    let arp = ArpRepr::parse(&packet).unwrap();
                    self.arp.push(arp);
                    let ArpRepr::EthernetIpv4 {
                        operation,
                        target_protocol_addr,
                        ..
                    } = arp
                    else {
                        continue;
                    };
                    let asked = |peer: &&Peer| peer.address == target_protocol_addr;
                    if operation == ArpOperation::Request
                        && let Some(peer) = self.answering.iter().find(asked).cloned()
                    {
                        self.put_arp(&peer, ArpOperation::Reply, OUR_ADDRESS);
                    }
                }
                EthernetProtocol::Ipv4 => {
                    let ip = Ipv4Packet::new_checked(frame.payload()).unwrap();
                    if ip.next_header() != IpProtocol::Tcp {
                        self.others.push(bytes);
                        continue;
                    }
                    let tcp = TcpPacket::new_checked(ip.payload()).unwrap();
                    let (from, to) = (ip.src_addr().into(), ip.dst_addr().into());
                    let checksums = ChecksumCapabilities::default();
                    let repr = TcpRepr::parse(&tcp, &from, &to, &checksums).unwrap();
                    self.segments.push(Sent {
                        at: self.now(),
                        hardware: frame.dst_addr(),
                        address: ip.dst_addr(),
                        port: repr.dst_port,
                        control: repr.control,
                        seq: repr.seq_number,
                        ack: repr.ack_number,
                        payload: repr.payload.to_vec(),
                    });
                }
                _ => self.others.push(bytes),
            }
        }
    }

    /// The ARP requests that the server has sent.
    pub(crate) fn requests(&self) -> usize {
        let request = |arp: &&ArpRepr| matches!(arp, ArpRepr::EthernetIpv4 { operation, .. } if *operation == ArpOperation::Request);
        self.arp.iter().filter(request).count()
    }

    /// Takes the segments that the server has sent to a peer.
    pub(crate) fn take(&mut self, peer: &Peer) -> Vec<Sent> {
        let own = |sent: &mut Sent| sent.address == peer.address && sent.port == peer.port;
        self.segments.extract_if(.., own).collect()
    }

    /// Takes them likewise, and moves `ack` behind all of them.
    pub(crate) fn take_and_note(&mut self, peer: &mut Peer) -> Vec<Sent> {
        let segments = self.take(peer);
        for segment in &segments {
            let flag = usize::from(matches!(segment.control, TcpControl::Syn | TcpControl::Fin));
            let end = segment.seq + segment.payload.len() + flag;
            if peer.ack.is_none_or(|ack| ack < end) {
                peer.ack = Some(end);
            }
        }
        segments
    }

    pub(crate) fn put(
        &self,
        source: EthernetAddress,
        to: EthernetAddress,
        protocol: EthernetProtocol,
        payload: &[u8],
    ) {
        let mut frame = vec![0; 14 + payload.len()];
        let mut ethernet = EthernetFrame::new_unchecked(&mut frame[..]);
        ethernet.set_src_addr(source);
        ethernet.set_dst_addr(to);
        ethernet.set_ethertype(protocol);
        ethernet.payload_mut().copy_from_slice(payload);
        self.host.device.rx.borrow_mut().push_back(frame);
    }

    /// Puts a segment of `peer` on the link. Does not move `seq`.
    pub(crate) fn put_tcp(&self, peer: &Peer, control: TcpControl, payload: &[u8]) {
        let tcp = TcpRepr {
            src_port: peer.port,
            dst_port: PORT,
            control,
            seq_number: peer.seq,
            ack_number: peer.ack,
            window_len: 10_000,
            window_scale: None,
            max_seg_size: None,
            sack_permitted: false,
            sack_ranges: [None; 3],
            timestamp: None,
            payload,
        };
        let (from, checksums) = (
            IpAddress::from(peer.address),
            ChecksumCapabilities::default(),
        );
        let ip = IpRepr::new(from, SERVER, IpProtocol::Tcp, tcp.buffer_len(), 64);
        let mut packet = vec![0; ip.buffer_len()];
        ip.emit(&mut packet[..], &checksums);
        let mut segment = TcpPacket::new_unchecked(&mut packet[ip.header_len()..]);
        tcp.emit(&mut segment, &from, &SERVER, &checksums);
        self.put(peer.hardware, OURS, EthernetProtocol::Ipv4, &packet);
    }

    /// Sends data, and moves `seq` behind it.
    pub(crate) fn send(&self, peer: &mut Peer, payload: &[u8]) {
        self.put_tcp(peer, TcpControl::None, payload);
        peer.seq += payload.len();
    }

    pub(crate) fn put_arp(&self, peer: &Peer, operation: ArpOperation, target: Ipv4Address) {
        self.put_arp_to(EthernetAddress::BROADCAST, peer, operation, target);
    }

    pub(crate) fn put_arp_to(
        &self,
        to: EthernetAddress,
        peer: &Peer,
        operation: ArpOperation,
        target: Ipv4Address,
    ) {
        let arp = ArpRepr::EthernetIpv4 {
            operation,
            source_hardware_addr: peer.hardware,
            source_protocol_addr: peer.address,
            target_hardware_addr: OURS,
            target_protocol_addr: target,
        };
        let mut packet = vec![0; arp.buffer_len()];
        arp.emit(&mut ArpPacket::new_unchecked(&mut packet[..]));
        self.put(peer.hardware, to, EthernetProtocol::Arp, &packet);
    }

    /// Sends a SYN, and moves `seq` behind it.
    pub(crate) fn syn(&self, peer: &mut Peer) {
        peer.ack = None;
        self.put_tcp(peer, TcpControl::Syn, b"");
        peer.seq += 1;
    }

    /// A whole handshake within `limit`; the number of the server's SYN.
    #[track_caller]
    pub(crate) fn connect(&mut self, peer: &mut Peer, limit: Duration) -> TcpSeqNumber {
        self.syn(peer);
        let until = self.now() + limit;
        loop {
            self.pass(Duration::from_millis(1));
            let segments = self.take_and_note(peer);
            if let Some(syn) = segments.first() {
                assert_eq!(syn.control, TcpControl::Syn, "{segments:?}");
                self.put_tcp(peer, TcpControl::None, b"");
                self.pass(Duration::from_millis(1));
                return syn.seq;
            }
            assert!(self.now() < until, "no SYN|ACK");
        }
    }
}
