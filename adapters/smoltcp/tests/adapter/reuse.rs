//! Peers that connect again from the same port at once: none is refused while slots are free.

use std::time::Duration;

use crate::kit::raw::{Raw, Segment};
use crate::kit::{Kit, Server};
use linecho_smoltcp::smoltcp::wire::{IpAddress, TcpControl, TcpSeqNumber};
use linecho_smoltcp::{Config, HashedListener, LongLines, Options};

const MILLISECOND: Duration = Duration::from_millis(1);
const ROUNDS: i32 = 200;

type Hashed = Kit<4, HashedListener<'static, 4>>;

fn options() -> Options {
    Config::new().long_lines(LongLines::Close).into()
}

fn plain() -> Kit<4> {
    Kit::new(options())
}

fn hashed() -> Hashed {
    Kit::hashed(options(), 4)
}

fn raw() -> Raw {
    Raw::new(IpAddress::v4(10, 0, 0, 9), 1234)
}

/// Puts a SYN of a new connection behind what is on the link already, and returns the answer.
#[track_caller]
fn connect_again<const N: usize, L: Server>(kit: &mut Kit<N, L>, raw: &mut Raw, round: i32) {
    raw.ack = None;
    raw.seq = TcpSeqNumber(100_000 * round);
    let ours = raw.seq + 1;
    raw.syn(kit);
    raw.seq = ours;
    kit.pass(MILLISECOND);
    let segments = raw.take(kit);
    let answer = |it: &&Segment| it.control == TcpControl::Syn && it.ack == Some(ours);
    let answer = segments.iter().find(answer);
    let answer = answer.unwrap_or_else(|| panic!("round {round}: {segments:?}"));
    assert!(
        !segments
            .iter()
            .any(|it| it.control == TcpControl::Rst && it.ack == Some(ours)),
        "round {round}: {segments:?}"
    );
    raw.ack = Some(answer.seq + 1);
    raw.ack(kit);
    raw.send(kit, b"line\n");
    kit.pass(MILLISECOND);
    let echo = raw.take_and_note(kit);
    assert!(echo.iter().any(|it| it.payload == b"line\n"), "{echo:?}");
}

fn after_a_reset<const N: usize, L: Server>(mut kit: Kit<N, L>) {
    let mut raw = raw();
    for round in 1..=ROUNDS {
        connect_again(&mut kit, &mut raw, round);
        raw.put(&mut kit, TcpControl::Rst, b"");
    }
}

/// The peer closes first, and its last acknowledgement comes just before the SYN.
fn after_the_last_acknowledgement<const N: usize, L: Server>(mut kit: Kit<N, L>) {
    let mut raw = raw();
    for round in 1..=ROUNDS {
        connect_again(&mut kit, &mut raw, round);
        raw.fin(&mut kit, b"");
        kit.pass(MILLISECOND);
        assert_eq!(
            raw.take_and_note(&kit).last().unwrap().control,
            TcpControl::Fin
        );
        raw.ack(&mut kit);
    }
}

/// We close first, and the SYN comes right behind the FIN of the peer.
fn in_time_wait<const N: usize, L: Server>(mut kit: Kit<N, L>, together: bool) {
    let mut raw = raw();
    for round in 1..=ROUNDS {
        connect_again(&mut kit, &mut raw, round);
        raw.send(&mut kit, &[b'x'; 300]);
        kit.pass(MILLISECOND);
        assert_eq!(
            raw.take_and_note(&kit).last().unwrap().control,
            TcpControl::Fin
        );
        raw.fin(&mut kit, b"");
        if !together {
            // One turn, in which the last acknowledgement leaves.
            let now = kit.now();
            kit.step(now);
        }
    }
}

#[test]
fn a_listener_serves_a_syn_behind_a_reset() {
    after_a_reset(plain());
}

#[test]
fn a_hashed_listener_serves_a_syn_behind_a_reset() {
    after_a_reset(hashed());
}

#[test]
fn a_listener_serves_a_syn_behind_the_last_acknowledgement() {
    after_the_last_acknowledgement(plain());
}

#[test]
fn a_hashed_listener_serves_a_syn_behind_the_last_acknowledgement() {
    after_the_last_acknowledgement(hashed());
}

#[test]
fn a_listener_serves_a_syn_in_time_wait() {
    in_time_wait(plain(), false);
}

#[test]
fn a_hashed_listener_serves_a_syn_in_time_wait() {
    in_time_wait(hashed(), false);
}

#[test]
fn a_hashed_listener_serves_a_syn_behind_a_fin() {
    in_time_wait(hashed(), true);
}
