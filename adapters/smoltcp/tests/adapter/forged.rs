//! Segments that only look as if they came from the peer, and peers that have lost their
//! connection: RFC 5961.

use std::time::Duration;

use crate::kit::raw::Raw;
use crate::kit::{Kit, Server};
use linecho_smoltcp::smoltcp::wire::{IpAddress, TcpControl, TcpSeqNumber};
use linecho_smoltcp::{Config, HashedListener, LongLines, Options, Reason};

const SECOND: Duration = Duration::from_secs(1);
const MILLISECOND: Duration = Duration::from_millis(1);

type Hashed = Kit<4, HashedListener<'static, 4>>;

fn options() -> Options {
    Config::new().long_lines(LongLines::Close).into()
}

fn hashed() -> Hashed {
    Kit::hashed(options(), 4)
}

fn plain() -> Kit<4> {
    Kit::new(options())
}

on_both! {
    an_inexact_reset_is_answered_and_ends_nothing,
    many_inexact_resets_end_nothing,
    inexact_resets_keep_no_probe_from_a_silent_peer,
    an_exact_reset_ends_the_connection,
    an_exact_reset_that_answers_a_probe_ends_the_connection,
    a_peer_that_has_lost_an_open_connection_is_served_after_a_second,
    a_peer_that_has_lost_a_closing_connection_is_served_after_a_second,
    a_peer_that_has_lost_a_half_open_connection_is_served,
    each_of_several_peers_may_start_anew_more_than_once,
    a_forged_syn_ends_nothing,
    a_syn_with_the_number_that_is_expected_is_answered,
    a_retransmitted_syn_starts_nothing_anew,
}

fn raw() -> Raw {
    Raw::new(IpAddress::v4(10, 0, 0, 9), 1234)
}

/// Puts an RST with this number, which is relative to the one that is expected.
fn reset_at<L: Server>(kit: &mut Kit<4, L>, raw: &mut Raw, offset: i32) {
    let (seq, ack) = (raw.seq, raw.ack.take());
    raw.seq = TcpSeqNumber(seq.0.wrapping_add(offset));
    raw.put(kit, TcpControl::Rst, b"");
    (raw.seq, raw.ack) = (seq, ack);
    kit.pass(MILLISECOND);
}

#[track_caller]
fn echo<L: Server>(kit: &mut Kit<4, L>, raw: &mut Raw) {
    raw.send(kit, b"line\n");
    kit.pass(MILLISECOND);
    let segments = raw.take_and_note(kit);
    assert!(
        segments.iter().any(|it| it.payload == b"line\n"),
        "{segments:?}"
    );
    raw.ack(kit);
    kit.pass(MILLISECOND);
}

fn an_inexact_reset_is_answered_and_ends_nothing<L: Server>(mut kit: Kit<4, L>) {
    let mut raw = raw();
    raw.connect(&mut kit);
    echo(&mut kit, &mut raw);
    for offset in [1, 100, 4000, 1_000_000, -1] {
        kit.pass(2 * SECOND);
        raw.take(&kit);
        reset_at(&mut kit, &mut raw, offset);
        let segments = raw.take(&kit);
        let [challenge] = &segments[..] else {
            panic!("{offset}: {segments:?}")
        };
        let numbers = (challenge.control, challenge.seq, challenge.ack);
        assert_eq!(numbers, (TcpControl::None, raw.ack.unwrap(), Some(raw.seq)));
        echo(&mut kit, &mut raw);
    }
    assert!(kit.reasons().is_empty());
}

fn many_inexact_resets_end_nothing<L: Server>(mut kit: Kit<4, L>) {
    let mut raw = raw();
    raw.connect(&mut kit);
    for offset in 1..200 {
        reset_at(&mut kit, &mut raw, offset);
    }
    assert!(raw.take(&kit).len() < 5, "challenges are rare");
    echo(&mut kit, &mut raw);
    assert!(kit.reasons().is_empty());
}

/// Each is answered, and the stack answers but once a second: whatever it just did, a probe leaves
/// when it is due.
fn inexact_resets_keep_no_probe_from_a_silent_peer<L: Server>(mut kit: Kit<4, L>) {
    let mut raw = raw();
    raw.connect(&mut kit);
    raw.ack(&mut kit);
    let (since, mut probes) = (kit.now(), 0);
    while kit.now() < since + 200 * SECOND {
        reset_at(&mut kit, &mut raw, 1000);
        kit.pass(100 * MILLISECOND);
        for segment in raw.take(&kit) {
            if Some(segment.seq + 1) == raw.ack {
                probes += 1;
                raw.ack(&mut kit);
            }
        }
    }
    assert!((10..=14).contains(&probes), "{probes} in 200 s");
    echo(&mut kit, &mut raw);
    assert!(kit.reasons().is_empty());
}

fn an_exact_reset_ends_the_connection<L: Server>(mut kit: Kit<4, L>) {
    let mut raw = raw();
    raw.connect(&mut kit);
    raw.send(&mut kit, b"unfinished");
    reset_at(&mut kit, &mut raw, 0);
    assert_eq!(kit.reasons(), [Reason::Reset]);
    assert_eq!(kit.listener.busy(), 0);
}

fn an_exact_reset_that_answers_a_probe_ends_the_connection<L: Server>(mut kit: Kit<4, L>) {
    let mut raw = raw();
    raw.connect(&mut kit);
    raw.take(&kit);
    kit.drive("a probe", 60 * SECOND, |kit| !raw.take(kit).is_empty());
    reset_at(&mut kit, &mut raw, 0);
    assert_eq!(kit.reasons(), [Reason::Reset]);
}

/// The peer starts anew, and knows nothing of its old connection: it answers a challenge with an
/// RST, and sends its SYN again after a second.
#[track_caller]
fn comes_back<L: Server>(kit: &mut Kit<4, L>) {
    let mut raw = raw();
    raw.seq = TcpSeqNumber(77_000_000);
    kit.pass(2 * SECOND);
    raw.take(kit);
    raw.syn(kit);
    kit.pass(MILLISECOND);
    let since = kit.now();
    loop {
        let segments = raw.take(kit);
        if segments
            .iter()
            .any(|it| it.control == TcpControl::Syn && it.ack == Some(raw.seq + 1))
        {
            break;
        }
        assert!(kit.now() < since + 2 * SECOND, "not served: {segments:?}");
        for segment in segments {
            let mut answer = self::raw();
            answer.seq = segment.ack.unwrap();
            answer.put(kit, TcpControl::Rst, b"");
        }
        kit.pass(SECOND);
        raw.syn(kit);
        kit.pass(MILLISECOND);
    }
    assert!(kit.now() <= since + SECOND + 10 * MILLISECOND);
}

fn a_peer_that_has_lost_an_open_connection_is_served_after_a_second<L: Server>(mut kit: Kit<4, L>) {
    let mut raw = raw();
    raw.connect(&mut kit);
    echo(&mut kit, &mut raw);
    comes_back(&mut kit);
    assert_eq!(kit.reasons(), [Reason::Reset]);
}

fn a_peer_that_has_lost_a_closing_connection_is_served_after_a_second<L: Server>(
    mut kit: Kit<4, L>,
) {
    let mut raw = raw();
    raw.connect(&mut kit);
    raw.send(&mut kit, &[b'x'; 300]);
    kit.pass(MILLISECOND);
    assert_eq!(kit.reasons(), [Reason::LineTooLong]);
    comes_back(&mut kit);
}

fn a_peer_that_has_lost_a_half_open_connection_is_served<L: Server>(mut kit: Kit<4, L>) {
    raw().syn(&mut kit);
    kit.pass(MILLISECOND);
    comes_back(&mut kit);
    assert_eq!(kit.listener.busy(), 1);
}

fn each_of_several_peers_may_start_anew_more_than_once<L: Server>(mut kit: Kit<4, L>) {
    let mut peers = [1, 2, 3].map(|port| Raw::new(IpAddress::v4(10, 0, 0, 9), port));
    for round in 1..4 {
        for peer in &mut peers {
            peer.seq = TcpSeqNumber(1_000_000 * round);
            peer.take(&kit);
            peer.syn(&mut kit);
            kit.pass(MILLISECOND);
            let answers = peer.take(&kit);
            assert!(
                answers
                    .iter()
                    .any(|it| it.control == TcpControl::Syn && it.ack == Some(peer.seq + 1)),
                "round {round}: {answers:?}"
            );
        }
    }
    assert_eq!(kit.listener.busy(), peers.len());
}

fn a_forged_syn_ends_nothing<L: Server>(mut kit: Kit<4, L>) {
    let mut raw = raw();
    raw.connect(&mut kit);
    for round in 0..20 {
        let mut forged = self::raw();
        forged.seq = TcpSeqNumber(1_000_000 * round);
        forged.syn(&mut kit);
        kit.pass(MILLISECOND);
        echo(&mut kit, &mut raw);
    }
    assert!(kit.reasons().is_empty());
    assert_eq!(kit.listener.busy(), 1);
}

/// An RST with that number would end the connection.
fn a_syn_with_the_number_that_is_expected_is_answered<L: Server>(mut kit: Kit<4, L>) {
    let mut raw = raw();
    raw.connect(&mut kit);
    echo(&mut kit, &mut raw);
    let ours = raw.ack;
    raw.syn(&mut kit);
    kit.pass(MILLISECOND);
    let answers = raw.take(&kit);
    let numbers: Vec<_> = answers.iter().map(|it| (Some(it.seq), it.ack)).collect();
    assert_eq!(numbers, [(ours, Some(raw.seq))]);
    raw.ack = ours;
    echo(&mut kit, &mut raw);
}

fn a_retransmitted_syn_starts_nothing_anew<L: Server>(mut kit: Kit<4, L>) {
    let mut raw = raw();
    raw.syn(&mut kit);
    kit.pass(MILLISECOND);
    let first = raw.take(&kit);
    raw.syn(&mut kit);
    kit.pass(MILLISECOND);
    raw.seq += 1;
    raw.ack = Some(first[0].seq + 1);
    raw.ack(&mut kit);
    echo(&mut kit, &mut raw);
    assert_eq!(kit.listener.totals().opened, 1);
}
