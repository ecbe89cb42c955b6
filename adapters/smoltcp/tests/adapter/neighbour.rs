//! Ethernet: hardware addresses that the stack does not know, or no longer: no busy loop, no lost
//! slot, and no peer that waits for another one's.

use std::time::Duration;

use crate::kit::ether::{self, OUR_ADDRESS, Peer, Wire};
use crate::kit::{Server, states};
use linecho_smoltcp::smoltcp::socket::tcp::State;
use linecho_smoltcp::smoltcp::wire::{ArpOperation, EthernetAddress, TcpControl};
use linecho_smoltcp::{Config, HashedListener, Listener, Options};

const SECOND: Duration = Duration::from_secs(1);
const MILLISECOND: Duration = Duration::from_millis(1);

fn plain() -> Wire<Listener<'static, 4>> {
    ether::plain(Options::DEFAULT)
}

fn hashed() -> Wire<HashedListener<'static, 64>> {
    ether::hashed(Options::DEFAULT, 4)
}

on_both! {
    serves_a_host_that_the_stack_has_forgotten,
    refuses_whoever_it_is_without_asking_for_its_address,
    follows_a_host_that_moves,
    follows_a_last_sender_that_changes,
    knows_a_host_that_has_spoken_to_another,
    finishes_handshakes_that_alternate,
    lets_a_peer_begin_anew_after_a_damaged_syn,
}

#[test]
fn a_syn_from_an_address_that_nobody_has() {
    let mut wire = ether::plain::<1>(Options::DEFAULT);
    let mut nobody = Peer::new(9);
    wire.syn(&mut nobody);
    wire.pass(4 * SECOND);
    assert!(wire.turns < 20, "{} turns", wire.turns);
    assert_eq!(states(&wire.host.sockets), [State::SynReceived]);
    assert_eq!(wire.requests(), 0);
    let segments = wire.take(&nobody);
    assert_eq!((segments[0].control, segments.len()), (TcpControl::Syn, 3));
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
    let mut wire = ether::plain::<1>(options);
    wire.connect(&mut Peer::new(9), SECOND);
    assert_eq!(states(&wire.host.sockets), [State::Established]);
    // An entry of the neighbour cache lasts a minute.
    wire.turns = 0;
    wire.pass(71 * SECOND);
    assert_eq!(wire.listener.totals().idle, 1);
    wire.pass(SECOND);
    assert_eq!(states(&wire.host.sockets), [State::Listen]);
    assert!(wire.turns < 20, "{} turns", wire.turns);
}

/// The RST waits for the hardware address, and leaves when that is known again.
#[test]
fn an_abort_reaches_a_neighbour_that_is_known_again() {
    let session = Config::new().idle_timeout(Some(70 * SECOND));
    let options = Options {
        keep_alive: None,
        ..session.into()
    };
    let mut wire = ether::plain::<1>(options);
    let mut peer = Peer::new(9);
    wire.connect(&mut peer, SECOND);
    wire.pass(69 * SECOND);
    wire.answering.push(peer.clone());
    wire.pass(2 * SECOND);
    let segments = wire.take(&peer);
    assert_eq!(segments.len(), 1, "{segments:?}");
    assert_eq!(segments[0].control, TcpControl::Rst);
}

#[test]
fn a_quiet_neighbour_is_probed_while_it_is_known() {
    let mut wire = ether::plain::<1>(Options::DEFAULT);
    let mut peer = Peer::new(9);
    let seq = wire.connect(&mut peer, SECOND);
    let probes = |wire: &mut Wire<_>| -> Vec<_> {
        let segments = wire.take(&Peer::new(9)).into_iter();
        segments.map(|it| (it.control, it.seq)).collect()
    };
    wire.pass(17 * SECOND);
    assert_eq!(probes(&mut wire), [(TcpControl::None, seq)]);
    wire.pass(32 * SECOND);
    assert_eq!(probes(&mut wire), [(TcpControl::None, seq); 2]);
    assert_eq!(wire.requests(), 0);
    // An entry of the neighbour cache lasts a minute. Then an ARP request is sent instead.
    wire.pass(32 * SECOND);
    assert_eq!((wire.requests() > 0, probes(&mut wire)), (true, vec![]));
    wire.put_arp(&peer, ArpOperation::Reply, OUR_ADDRESS);
    wire.pass(16 * SECOND);
    assert_eq!(probes(&mut wire), [(TcpControl::None, seq)]);
}

/// Connects hosts with these numbers, each of which answers ARP requests.
fn hosts<L: Server>(wire: &mut Wire<L>, numbers: core::ops::Range<u8>) -> Vec<Peer> {
    let mut peers: Vec<Peer> = numbers.map(Peer::new).collect();
    wire.answering.extend(peers.iter().cloned());
    for peer in &mut peers {
        wire.connect(peer, SECOND);
    }
    peers
}

/// Half-open connections from three addresses that nobody has.
fn strangers<L: Server>(wire: &mut Wire<L>) {
    for number in 100..103 {
        wire.syn(&mut Peer::new(number));
    }
    wire.pass(MILLISECOND);
}

/// Sends a line from each peer at once, and returns how long the last echo took.
#[track_caller]
fn round<L: Server>(wire: &mut Wire<L>, peers: &mut [Peer]) -> Duration {
    let since = wire.now();
    for peer in &mut *peers {
        wire.send(peer, b"line\n");
    }
    let mut waiting: Vec<_> = peers.iter_mut().collect();
    while !waiting.is_empty() {
        wire.pass(MILLISECOND);
        assert!(
            wire.now() < since + 5 * SECOND,
            "{} without echo",
            waiting.len()
        );
        waiting.retain_mut(|peer| {
            let segments = wire.take_and_note(peer);
            wire.put_tcp(peer, TcpControl::None, b"");
            assert!(segments.iter().all(|it| it.hardware == peer.hardware));
            !segments.iter().any(|it| it.payload == b"line\n")
        });
    }
    wire.now().saturating_duration_since(since)
}

fn many_hosts_and_strangers<L: Server>(mut wire: Wire<L>) {
    let mut peers = hosts(&mut wire, 2..26);
    for i in 0..50 {
        if i % 20 == 0 {
            strangers(&mut wire);
        }
        let slowest = round(&mut wire, &mut peers);
        assert!(slowest < 20 * MILLISECOND, "{slowest:?}");
        wire.pass(20 * MILLISECOND);
    }
    let mut newcomer = Peer::new(50);
    wire.answering.push(newcomer.clone());
    wire.connect(&mut newcomer, 2 * MILLISECOND);
    assert!(round(&mut wire, &mut [newcomer]) < 20 * MILLISECOND);
}

#[test]
fn a_listener_serves_many_hosts_beside_addresses_that_nobody_has() {
    many_hosts_and_strangers(ether::plain::<32>(Options::DEFAULT));
}

#[test]
fn a_hashed_listener_serves_many_hosts_beside_addresses_that_nobody_has() {
    many_hosts_and_strangers(ether::hashed::<64>(Options::DEFAULT, 40));
}

/// Nine hosts resolve our address, and so fill the stack's neighbour cache.
fn nine_others<L: Server>(wire: &mut Wire<L>) {
    for number in 200..209 {
        wire.put_arp(&Peer::new(number), ArpOperation::Request, OUR_ADDRESS);
    }
    wire.pass(MILLISECOND);
}

fn serves_a_host_that_the_stack_has_forgotten<L: Server>(mut wire: Wire<L>) {
    let mut peers = hosts(&mut wire, 2..3);
    for _ in 0..3 {
        strangers(&mut wire);
        nine_others(&mut wire);
        assert!(round(&mut wire, &mut peers) < 5 * MILLISECOND);
    }
}

/// The echo of each of 12 hosts is lost, and sent again in time, though the stack keeps the
/// addresses of 8.
fn retransmissions_to_many<L: Server>(mut wire: Wire<L>) {
    let mut peers = hosts(&mut wire, 2..14);
    strangers(&mut wire);
    for peer in &mut peers {
        wire.send(peer, b"lost\n");
    }
    wire.pass(20 * MILLISECOND);
    wire.segments.clear();
    wire.pass(SECOND + 100 * MILLISECOND);
    for peer in &peers {
        let segments = wire.take(peer);
        assert!(
            segments.iter().any(|it| it.payload == b"lost\n"),
            "nothing for {}",
            peer.address
        );
    }
}

#[test]
fn a_hashed_listener_retransmits_to_more_hosts_than_the_stack_knows() {
    retransmissions_to_many(ether::hashed::<64>(Options::DEFAULT, 20));
}

/// Each echo is of two segments, which leave in the turn in which the lines came.
#[test]
fn a_hashed_listener_sends_all_it_has_to_more_hosts_than_the_stack_knows() {
    let mut wire = ether::hashed::<64>(Options::DEFAULT, 20);
    let mut peers = hosts(&mut wire, 2..14);
    round(&mut wire, &mut peers);
    nine_others(&mut wire);
    wire.segments.clear();
    for peer in &mut peers {
        wire.send(peer, &[b'\n'; 1000]);
    }
    wire.pass(Duration::from_micros(1));
    for peer in &peers {
        let bytes: usize = wire.take(peer).iter().map(|it| it.payload.len()).sum();
        assert_eq!(bytes, 1000, "to {}", peer.address);
    }
}

/// The stack answers a segment out of order while it takes it in, and drops that answer if it lacks
/// the hardware address. Once a listener has seen that addresses are short, it tells them before.
#[test]
fn a_hashed_listener_answers_at_once_while_addresses_are_short() {
    let mut wire = ether::hashed::<64>(Options::DEFAULT, 20);
    let mut peers = hosts(&mut wire, 2..14);
    round(&mut wire, &mut peers);
    nine_others(&mut wire);
    wire.segments.clear();
    let mut ahead = peers[0].clone();
    ahead.seq += 5;
    wire.put_tcp(&ahead, TcpControl::None, b"early\n");
    wire.pass(2 * MILLISECOND);
    let acks: Vec<_> = wire.take(&peers[0]).iter().map(|it| it.ack).collect();
    assert_eq!(acks, [Some(peers[0].seq)]);
}

/// Nine hosts connect at once, of which the stack keeps the addresses of eight.
fn nine_at_once<L: Server>(mut wire: Wire<L>) {
    let mut peers: Vec<Peer> = (2..11).map(Peer::new).collect();
    for peer in &mut peers {
        wire.syn(peer);
    }
    wire.pass(2 * MILLISECOND);
    for peer in &peers {
        let answers = wire.take(peer);
        assert_eq!(answers.len(), 1, "{}: {answers:?}", peer.address);
        assert_eq!(answers[0].hardware, peer.hardware);
    }
    assert_eq!(wire.requests(), 0);
}

#[test]
fn a_listener_answers_nine_at_once_without_asking_for_their_addresses() {
    nine_at_once(ether::plain::<16>(Options::DEFAULT));
}

fn refuses_whoever_it_is_without_asking_for_its_address<L: Server>(mut wire: Wire<L>) {
    let mut peers = hosts(&mut wire, 2..6);
    for number in 100..120 {
        let mut late = Peer::new(number);
        wire.syn(&mut late);
        wire.pass(MILLISECOND);
        let segments = wire.take(&late);
        assert_eq!(segments[0].control, TcpControl::Rst);
        assert_eq!(segments[0].hardware, late.hardware);
    }
    assert_eq!(wire.requests(), 0);
    assert!(round(&mut wire, &mut peers) < 5 * MILLISECOND);
}

/// A host goes on behind another network card.
fn follows_a_host_that_moves<L: Server>(mut wire: Wire<L>) {
    let mut peers = hosts(&mut wire, 2..4);
    round(&mut wire, &mut peers);
    peers[0].hardware = EthernetAddress([2, 0, 0, 0, 9, 9]);
    assert!(round(&mut wire, &mut peers) < 5 * MILLISECOND);
}

/// The sender of the last segment goes on behind another network card, or has another address.
fn follows_a_last_sender_that_changes<L: Server>(mut wire: Wire<L>) {
    let mut peers = hosts(&mut wire, 2..3);
    peers[0].hardware = EthernetAddress([2, 0, 0, 0, 9, 9]);
    assert!(round(&mut wire, &mut peers) < 5 * MILLISECOND);
    let mut second = Peer {
        hardware: peers[0].hardware,
        ..Peer::new(3)
    };
    wire.connect(&mut second, 5 * MILLISECOND);
    assert!(round(&mut wire, &mut [second]) < 5 * MILLISECOND);
    assert_eq!(wire.requests(), 0);
}

/// Puts a segment of `peer` to another host on the link, as a switch does that floods.
fn speak_to_another<L: Server>(wire: &Wire<L>, peer: &Peer) {
    wire.put_tcp(peer, TcpControl::None, b"");
    let other = Peer::new(3);
    let mut frames = wire.host.device.rx.borrow_mut();
    let frame = frames.back_mut().unwrap();
    frame[..6].copy_from_slice(other.hardware.as_bytes());
    frame[30..34].copy_from_slice(&other.address.octets());
}

fn knows_a_host_that_has_spoken_to_another<L: Server>(mut wire: Wire<L>) {
    let mut peer = Peer::new(2);
    speak_to_another(&wire, &peer);
    wire.connect(&mut peer, 2 * MILLISECOND);
    assert_eq!(wire.requests(), 0);
    nine_others(&mut wire);
    speak_to_another(&wire, &peer);
    wire.send(&mut peer, b"line\n");
    wire.pass(2 * MILLISECOND);
    assert_eq!(wire.take(&peer)[0].payload, b"line\n");
}

/// Two handshakes whose segments alternate, and a damaged SYN of one of the peers between them.
fn finishes_handshakes_that_alternate<L: Server>(mut wire: Wire<L>) {
    let mut peers = [Peer::new(2), Peer::new(3)];
    for peer in &mut peers {
        wire.syn(peer);
    }
    wire.pass(MILLISECOND);
    for peer in &mut peers {
        assert_eq!(wire.take_and_note(peer)[0].control, TcpControl::Syn);
        let mut damaged = peer.clone();
        (damaged.seq, damaged.ack) = (damaged.seq + 5000, None);
        wire.put_tcp(&damaged, TcpControl::Syn, b"");
        let mut frames = wire.host.device.rx.borrow_mut();
        // The last byte of the checksum.
        frames.back_mut().unwrap()[14 + 20 + 17] ^= 1;
    }
    wire.pass(MILLISECOND);
    for peer in &peers {
        assert_eq!(wire.take(peer), []);
        wire.put_tcp(peer, TcpControl::None, b"");
    }
    wire.pass(MILLISECOND);
    assert!(round(&mut wire, &mut peers) < 5 * MILLISECOND);
}

/// A half-open peer begins anew; its SYN arrives damaged first, and then whole.
fn lets_a_peer_begin_anew_after_a_damaged_syn<L: Server>(mut wire: Wire<L>) {
    let mut peer = Peer::new(2);
    wire.syn(&mut peer);
    wire.pass(MILLISECOND);
    wire.take(&peer);
    (peer.seq, peer.ack) = (peer.seq + 5000, None);
    wire.put_tcp(&peer, TcpControl::Syn, b"");
    // The last byte of the checksum.
    wire.host.device.rx.borrow_mut()[0][14 + 20 + 17] ^= 1;
    wire.pass(MILLISECOND);
    assert_eq!(wire.take(&peer), []);
    wire.connect(&mut peer, 5 * MILLISECOND);
    assert!(round(&mut wire, &mut [peer]) < 5 * MILLISECOND);
}
