//! A peer that vanishes, in each state of TCP that a slot can be in: the slot comes back.

use std::time::Duration;

use crate::kit::Kit;
use crate::kit::raw::Raw;
use linecho_smoltcp::smoltcp::socket::tcp::State;
use linecho_smoltcp::smoltcp::wire::{IpAddress, TcpControl};
use linecho_smoltcp::{Config, LongLines, Options, Reason};

const SECOND: Duration = Duration::from_secs(1);
const MILLISECOND: Duration = Duration::from_millis(1);

/// A listener with one slot, and with lines that are easily too long.
fn kit() -> (Kit<1>, Raw) {
    let session = Config::new().long_lines(LongLines::Close);
    let raw = Raw::new(IpAddress::v4(10, 0, 0, 9), 1);
    (Kit::new(session.into()), raw)
}

/// Overlong: the server closes first.
const TOO_LONG: [u8; 300] = [b'x'; 300];

/// The peer is gone; how long it takes until somebody else is served.
#[track_caller]
fn serves_again_within(mut kit: Kit<1>, state: State, limit: Duration) {
    assert_eq!(kit.server_states(), [state]);
    kit.serve_newcomer(limit);
}

#[test]
fn in_syn_received() {
    let (mut kit, mut raw) = kit();
    raw.syn(&mut kit);
    kit.pass(MILLISECOND);
    serves_again_within(kit, State::SynReceived, 6 * SECOND);
}

#[test]
fn in_established_while_idle() {
    let (mut kit, mut raw) = kit();
    raw.connect(&mut kit);
    serves_again_within(kit, State::Established, 121 * SECOND);
}

#[test]
fn in_established_with_data_on_its_way() {
    let (mut kit, mut raw) = kit();
    raw.connect(&mut kit);
    raw.send(&mut kit, b"echoed into the void\n");
    kit.pass(MILLISECOND);
    serves_again_within(kit, State::Established, 121 * SECOND);
}

/// A peer that has sent more than all buffers hold, and takes nothing.
fn full() -> (Kit<1>, Raw) {
    let session = Config::new().write_timeout(Some(20 * SECOND));
    let mut kit = Kit::<1>::new(session.into());
    let mut raw = Raw::new(IpAddress::v4(10, 0, 0, 9), 1);
    raw.window = 0;
    raw.connect(&mut kit);
    for _ in 0..5 {
        raw.send(&mut kit, &[b'\n'; 1000]);
        kit.pass(MILLISECOND);
    }
    (kit, raw)
}

#[test]
fn in_established_with_its_window_closed() {
    let (kit, _) = full();
    serves_again_within(kit, State::Established, 21 * SECOND);
}

#[test]
fn in_close_wait_with_more_to_echo_than_it_takes() {
    let (mut kit, mut raw) = full();
    raw.fin(&mut kit, b"");
    kit.pass(MILLISECOND);
    serves_again_within(kit, State::CloseWait, 21 * SECOND);
}

/// A connection that the peer closes first, and that has ended for its session.
fn closed_by_the_peer() -> (Kit<1>, Raw) {
    let (mut kit, mut raw) = kit();
    raw.connect(&mut kit);
    raw.fin(&mut kit, b"all of it");
    kit.pass(MILLISECOND);
    assert_eq!(kit.reasons(), [Reason::PeerClosed]);
    (kit, raw)
}

#[test]
fn with_an_echo_that_it_did_not_acknowledge() {
    let (kit, _) = closed_by_the_peer();
    serves_again_within(kit, State::CloseWait, 11 * SECOND);
}

#[test]
fn in_last_ack() {
    let (mut kit, mut raw) = closed_by_the_peer();
    raw.take_and_note(&kit);
    raw.ack(&mut kit);
    kit.pass(MILLISECOND);
    serves_again_within(kit, State::LastAck, 11 * SECOND);
}

/// A connection that the server closes first, and whose peer has acknowledged nothing of it.
fn closed_first() -> (Kit<1>, Raw) {
    let (mut kit, mut raw) = kit();
    raw.connect(&mut kit);
    raw.send(&mut kit, &TOO_LONG);
    kit.pass(MILLISECOND);
    (kit, raw)
}

#[test]
fn in_fin_wait_1() {
    let (kit, _) = closed_first();
    assert_eq!(kit.reasons(), [Reason::LineTooLong]);
    serves_again_within(kit, State::FinWait1, 11 * SECOND);
}

#[test]
fn in_fin_wait_2() {
    let (mut kit, mut raw) = closed_first();
    raw.take_and_note(&kit);
    raw.ack(&mut kit);
    kit.pass(MILLISECOND);
    serves_again_within(kit, State::FinWait2, 11 * SECOND);
}

#[test]
fn in_fin_wait_2_while_it_sends_for_ever() {
    let (mut kit, mut raw) = closed_first();
    for _ in 0..10 {
        raw.take_and_note(&kit);
        raw.send(&mut kit, &TOO_LONG);
        kit.pass(SECOND);
    }
    kit.pass(SECOND);
    assert_eq!(raw.take(&kit).last().unwrap().control, TcpControl::Rst);
    assert_eq!(kit.server_states(), [State::Listen]);
}

#[test]
fn in_closing() {
    let (mut kit, mut raw) = closed_first();
    // Its FIN crosses ours: it does not acknowledge it.
    raw.fin(&mut kit, b"");
    kit.pass(MILLISECOND);
    serves_again_within(kit, State::Closing, 11 * SECOND);
}

#[test]
fn in_time_wait_the_last_ack_goes_and_the_slot_is_free() {
    let (mut kit, mut raw) = closed_first();
    raw.take_and_note(&kit);
    raw.fin(&mut kit, b"with data");
    kit.pass(MILLISECOND);
    let last = raw.take(&kit).last().cloned().unwrap();
    assert_eq!((last.control, last.ack), (TcpControl::None, Some(raw.seq)));
    serves_again_within(kit, State::Listen, SECOND);
}

#[test]
fn a_slow_reader_gets_all_of_a_closing_connection() {
    let (mut kit, mut raw) = kit();
    raw.window = 100;
    raw.connect(&mut kit);
    raw.send(&mut kit, &[b'\n'; 1400]);
    raw.fin(&mut kit, &[b'\n'; 600]);
    kit.pass(MILLISECOND);
    assert_eq!(kit.reasons(), [Reason::PeerClosed]);
    // It takes 100 bytes every nine seconds: three minutes in all.
    let (mut got, mut end) = (0, false);
    for _ in 0..40 {
        for segment in raw.take_and_note(&kit) {
            assert_ne!(segment.control, TcpControl::Rst);
            end |= segment.control == TcpControl::Fin;
            got += segment.payload.len();
        }
        raw.ack(&mut kit);
        kit.pass(9 * SECOND);
        if end {
            break;
        }
    }
    assert!(end && got >= 2000, "{got}");
    assert_eq!(kit.server_states(), [State::Listen]);
}

#[test]
fn while_others_listen_a_closing_slot_has_more_time() {
    let mut kit = Kit::<2>::new(Options::DEFAULT);
    let mut raw = Raw::new(IpAddress::v4(10, 0, 0, 9), 1);
    raw.connect(&mut kit);
    raw.fin(&mut kit, b"");
    kit.pass(50 * SECOND);
    assert_eq!(kit.server_states(), [State::LastAck, State::Listen]);
    kit.pass(12 * SECOND);
    assert_eq!(kit.server_states(), [State::Listen; 2]);
}

#[test]
fn when_the_last_listening_slot_is_taken_a_closing_one_ends_in_time() {
    // smoltcp itself has no deadline while it waits for the peer's FIN.
    let options = Options {
        keep_alive: None,
        dead_peer_timeout: None,
        ..Config::new().long_lines(LongLines::Close).into()
    };
    let mut kit = Kit::<2>::new(options);
    let mut raw = Raw::new(IpAddress::v4(10, 0, 0, 9), 1);
    raw.connect(&mut kit);
    raw.send(&mut kit, &TOO_LONG);
    kit.pass(MILLISECOND);
    raw.take_and_note(&kit);
    raw.ack(&mut kit);
    kit.pass(9 * SECOND + SECOND / 2);
    assert_eq!(kit.server_states(), [State::FinWait2, State::Listen]);
    // Half a second before the time is up, and a second before the SYN|ACK is sent again.
    Raw::new(IpAddress::v4(10, 0, 0, 9), 2).syn(&mut kit);
    kit.pass(SECOND * 3 / 5);
    assert!(!kit.server_states().contains(&State::FinWait2));
}
