//! Ethernet, and a peer whose hardware address nobody knows (any more): no busy loop, no lost slot.

mod kit;

use std::time::Duration;

use kit::{End, Host, PORT, SERVER, listen, states};
use linecho_smoltcp::smoltcp::iface::{Config as IfaceConfig, Interface};
use linecho_smoltcp::smoltcp::phy::{ChecksumCapabilities, Medium};
use linecho_smoltcp::smoltcp::socket::tcp::State;
use linecho_smoltcp::smoltcp::time::Instant as StackInstant;
use linecho_smoltcp::smoltcp::wire::{
    ArpOperation, ArpPacket, ArpRepr, EthernetAddress, EthernetFrame, EthernetProtocol, IpAddress,
    IpProtocol, IpRepr, Ipv4Address, TcpControl, TcpPacket, TcpRepr, TcpSeqNumber,
};
use linecho_smoltcp::{Config, Instant, Listener, Options, Wake};

const SECOND: Duration = Duration::from_secs(1);
const OURS: EthernetAddress = EthernetAddress([2, 0, 0, 0, 0, 1]);
const THEIRS: EthernetAddress = EthernetAddress([2, 0, 0, 0, 0, 2]);
const PEER: Ipv4Address = Ipv4Address::new(10, 0, 0, 9);

struct Wire {
    now: Instant,
    host: Host,
    listener: Listener<'static, 1>,
    turns: usize,
}

impl Wire {
    fn new(options: Options) -> Self {
        let mut host = Host::new(SERVER);
        host.device = End::new(Medium::Ethernet);
        let addresses = host.iface.ip_addrs().to_vec();
        let config = IfaceConfig::new(OURS.into());
        host.iface = Interface::new(config, &mut host.device, StackInstant::ZERO);
        host.iface.update_ip_addrs(|to| to.extend(addresses));
        let listener = listen(&mut host.sockets, PORT, options, 1);
        let now = Instant::from_millis(1000);
        Self {
            now,
            host,
            listener,
            turns: 0,
        }
    }

    /// Turns whenever one is due, for as long as `time` takes.
    fn pass(&mut self, time: Duration) {
        let until = self.now + time;
        while self.now < until {
            self.turns += 1;
            let Host {
                iface,
                device,
                sockets,
            } = &mut self.host;
            let wake = self.listener.poll(self.now, iface, device, sockets, |_| ());
            self.now = match wake {
                Wake::Again => self.now,
                Wake::At(at) => at.clamp(self.now, until),
                Wake::Frame => until,
            };
            assert!(self.turns < 10_000, "busy loop");
        }
    }

    fn put(&mut self, protocol: EthernetProtocol, payload: &[u8]) {
        let mut frame = vec![0; 14 + payload.len()];
        let mut ethernet = EthernetFrame::new_unchecked(&mut frame[..]);
        ethernet.set_src_addr(THEIRS);
        ethernet.set_dst_addr(OURS);
        ethernet.set_ethertype(protocol);
        ethernet.payload_mut().copy_from_slice(payload);
        self.host.device.rx.borrow_mut().push_back(frame);
    }

    fn put_tcp(&mut self, control: TcpControl, seq: i32, ack: Option<TcpSeqNumber>) {
        let tcp = TcpRepr {
            src_port: 1,
            dst_port: PORT,
            control,
            seq_number: TcpSeqNumber(seq),
            ack_number: ack,
            window_len: 1000,
            window_scale: None,
            max_seg_size: None,
            sack_permitted: false,
            sack_ranges: [None; 3],
            timestamp: None,
            payload: b"",
        };
        let ip = IpRepr::new(PEER.into(), SERVER, IpProtocol::Tcp, tcp.buffer_len(), 64);
        let mut packet = vec![0; ip.buffer_len()];
        let checksums = ChecksumCapabilities::default();
        ip.emit(&mut packet[..], &checksums);
        let mut segment = TcpPacket::new_unchecked(&mut packet[ip.header_len()..]);
        tcp.emit(&mut segment, &PEER.into(), &SERVER, &checksums);
        self.put(EthernetProtocol::Ipv4, &packet);
    }

    fn answer_arp(&mut self) {
        let IpAddress::Ipv4(server) = SERVER else {
            unreachable!()
        };
        let reply = ArpRepr::EthernetIpv4 {
            operation: ArpOperation::Reply,
            source_hardware_addr: THEIRS,
            source_protocol_addr: PEER,
            target_hardware_addr: OURS,
            target_protocol_addr: server,
        };
        let mut packet = vec![0; reply.buffer_len()];
        reply.emit(&mut ArpPacket::new_unchecked(&mut packet[..]));
        self.put(EthernetProtocol::Arp, &packet);
    }

    /// A whole handshake with a neighbour that answers; the number of the server's SYN.
    fn connect(&mut self) -> TcpSeqNumber {
        self.put_tcp(TcpControl::Syn, 1000, None);
        self.pass(Duration::from_millis(10));
        self.answer_arp();
        self.pass(Duration::from_millis(10));
        let (_, segments) = self.sent();
        let [(TcpControl::Syn, seq)] = segments[..] else {
            panic!("{segments:?}")
        };
        self.put_tcp(TcpControl::None, 1001, Some(seq + 1));
        self.pass(SECOND);
        seq
    }

    /// Takes the frames that the server sent: the number of ARP requests, and the TCP segments.
    fn sent(&mut self) -> (usize, Vec<(TcpControl, TcpSeqNumber)>) {
        let (mut requests, mut segments) = (0, vec![]);
        for frame in self.host.device.tx.borrow_mut().drain(..) {
            let frame = EthernetFrame::new_unchecked(&frame[..]);
            if frame.ethertype() == EthernetProtocol::Arp {
                requests += 1;
            } else {
                let tcp = TcpPacket::new_unchecked(&frame.payload()[20..]);
                let any = (&PEER.into(), &SERVER);
                let repr = TcpRepr::parse(&tcp, any.1, any.0, &ChecksumCapabilities::default());
                let repr = repr.unwrap();
                segments.push((repr.control, repr.seq_number));
            }
        }
        (requests, segments)
    }
}

#[test]
fn a_syn_from_an_unknown_neighbour() {
    let mut wire = Wire::new(Options::DEFAULT);
    wire.put_tcp(TcpControl::Syn, 1000, None);
    wire.pass(4 * SECOND);
    assert!(wire.turns < 20, "{} turns", wire.turns);
    assert_eq!(states(&wire.host.sockets), [State::SynReceived]);
    let (requests, segments) = wire.sent();
    assert!((2..=5).contains(&requests), "{requests} requests");
    assert_eq!(segments, []);
    wire.pass(2 * SECOND);
    assert_eq!(states(&wire.host.sockets), [State::Listen]);
}

#[test]
fn an_abort_to_a_neighbour_that_is_no_longer_known() {
    let session = Config::new().idle_timeout(Some(70 * SECOND));
    let options = Options {
        keep_alive: None,
        ..session.into()
    };
    let mut wire = Wire::new(options);
    wire.connect();
    assert_eq!(states(&wire.host.sockets), [State::Established]);
    // An entry of the neighbour cache lasts a minute.
    wire.turns = 0;
    wire.pass(71 * SECOND);
    assert_eq!(wire.listener.totals().idle, 1);
    wire.pass(SECOND);
    assert_eq!(states(&wire.host.sockets), [State::Listen]);
    assert!(wire.turns < 20, "{} turns", wire.turns);
}

#[test]
fn a_quiet_neighbour_is_probed_while_it_is_known() {
    let mut wire = Wire::new(Options::DEFAULT);
    let seq = wire.connect();
    wire.pass(16 * SECOND);
    assert_eq!(wire.sent(), (0, vec![(TcpControl::None, seq)]));
    wire.pass(32 * SECOND);
    assert_eq!(wire.sent(), (0, vec![(TcpControl::None, seq); 2]));
    // An entry of the neighbour cache lasts a minute. Then an ARP request is sent instead.
    wire.pass(32 * SECOND);
    let (requests, segments) = wire.sent();
    assert_eq!((requests > 0, segments), (true, vec![]));
    wire.answer_arp();
    wire.pass(16 * SECOND);
    assert_eq!(wire.sent().1, [(TcpControl::None, seq)]);
}
