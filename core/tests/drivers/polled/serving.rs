//! What a session reads and writes in a turn, what it waits for, and how it ends.

use core::time::Duration;

use super::{NOW, PLENTY, serve, session, waits, with_config};
use crate::scripted::{Scripted, Step, Step::*};
use linecho_core::embedded_io::ErrorKind;
use linecho_core::polled::Turn;
use linecho_core::{Config, Instant, Reason};
use proptest::prelude::*;

#[test]
fn complete_lines_go_back_and_the_rest_waits() {
    let mut io = Scripted::polled(&[Gives(b"one\ntw")], &[]);
    let mut session = session(16);
    assert_eq!(
        serve(&mut session, &mut io, NOW, PLENTY),
        waits(true, false)
    );
    assert_eq!(io.output, b"one\n");
    io.arrives(Gives(b"o\n"));
    assert_eq!(
        serve(&mut session, &mut io, NOW, PLENTY),
        waits(true, false)
    );
    assert_eq!(io.output, b"one\ntwo\n");
}

#[test]
fn the_rest_goes_back_at_the_end_of_input() {
    let mut io = Scripted::polled(&[Gives(b"x\ny"), Zero], &[]);
    let turn = serve(&mut session(16), &mut io, NOW, PLENTY);
    assert_eq!(turn, Turn::Ended(Reason::PeerClosed));
    assert_eq!(io.output, b"x\ny");
}

/// The transport fails the test if it is read into an empty slice.
#[test]
fn a_full_buffer_reads_nothing_until_the_peer_takes_something() {
    let mut io = Scripted::polled(&[Gives(b"abc\ndef\nx"), Zero], &[Never]);
    let mut session = session(4);
    for _ in 0..3 {
        assert_eq!(
            serve(&mut session, &mut io, NOW, PLENTY),
            waits(false, true)
        );
        assert_eq!(session.held(), 4);
    }
    io.writes_go_on();
    let turn = serve(&mut session, &mut io, NOW, PLENTY);
    assert_eq!(turn, Turn::Ended(Reason::PeerClosed));
    assert_eq!(io.output, b"abc\ndef\nx");
}

#[test]
fn a_session_that_drains_reads_no_more() {
    let mut io = Scripted::polled(&[Gives(b"x\ny"), Zero], &[Never]);
    let mut session = session(16);
    assert_eq!(
        serve(&mut session, &mut io, NOW, PLENTY),
        waits(false, true)
    );
    let calls = io.calls;
    assert_eq!(
        serve(&mut session, &mut io, NOW, PLENTY),
        waits(false, true)
    );
    assert_eq!(io.calls, calls, "neither readable nor writable: no call");
    io.writes_go_on();
    let turn = serve(&mut session, &mut io, NOW, PLENTY);
    assert_eq!(turn, Turn::Ended(Reason::PeerClosed));
    assert_eq!(io.output, b"x\ny");
}

#[test]
fn a_session_without_storage_waits_for_it_and_reads_nothing() {
    let mut io = Scripted::polled(&[Gives(b"x\n")], &[]);
    let mut session = session(0);
    assert_eq!(
        serve(&mut session, &mut io, NOW, PLENTY),
        waits(false, false)
    );
    assert_eq!(io.calls, 0);
}

#[test]
fn a_write_that_takes_nothing_waits() {
    let mut io = Scripted::polled(&[Gives(b"one\n")], &[Zero, Zero, Zero]);
    let mut session = session(16);
    assert_eq!(serve(&mut session, &mut io, NOW, PLENTY), waits(true, true));
    io.writes_go_on();
    assert_eq!(
        serve(&mut session, &mut io, NOW, PLENTY),
        waits(true, false)
    );
    assert_eq!(io.output, b"one\n");
}

#[test]
fn writes_go_on_where_the_last_one_stopped() {
    let writes = [Takes(1), NotReady, Takes(2), Takes(3), NotReady];
    let mut io = Scripted::polled(&[Gives(b"one\ntwo\n")], &writes);
    let mut session = session(16);
    for read_and_wrote in [1, 6] {
        assert_eq!(serve(&mut session, &mut io, NOW, PLENTY), waits(true, true));
        assert_eq!(io.output.len(), read_and_wrote);
    }
    assert_eq!(
        serve(&mut session, &mut io, NOW, PLENTY),
        waits(true, false)
    );
    assert_eq!(io.output, b"one\ntwo\n");
}

#[test]
fn an_interrupted_call_is_asked_for_readiness_again() {
    let reads = [
        Interrupted,
        Interrupted,
        Gives(b"one\n"),
        Interrupted,
        NotReady,
    ];
    let mut io = Scripted::polled(&reads, &[Interrupted, Interrupted, Takes(9)]);
    let mut session = session(16);
    assert_eq!(
        serve(&mut session, &mut io, NOW, PLENTY),
        waits(true, false)
    );
    assert_eq!(io.output, b"one\n");

    let mut io = Scripted::polled(&[Gives(b"one\n")], &[Interrupted, NotReady]);
    assert_eq!(serve(&mut session, &mut io, NOW, PLENTY), waits(true, true));
}

#[test]
fn a_turn_reads_no_more_than_its_budget() {
    const LINES: &[u8] = &[b'\n'; 1000];
    let mut io = Scripted::polled(&[Gives(LINES)], &[]);
    let mut session = session(16);
    for turn in 1..=100 {
        assert_eq!(
            serve(&mut session, &mut io, NOW, 10),
            if turn < 100 {
                Turn::Again
            } else {
                waits(true, false)
            }
        );
        assert_eq!(session.counters().bytes_in, turn * 10);
    }
    assert_eq!(io.output, LINES);
}

#[test]
fn a_turn_of_interruptions_ends() {
    let endless = vec![Interrupted; 1000];
    let mut session = session(16);
    let mut reads = Scripted::polled(&endless, &[]);
    assert_eq!(serve(&mut session, &mut reads, NOW, 10), Turn::Again);
    assert!(reads.calls <= 10, "{} calls", reads.calls);
    let mut writes = Scripted::polled(&[Gives(b"a\n")], &endless);
    assert_eq!(serve(&mut session, &mut writes, NOW, 10), Turn::Again);
    assert!(writes.calls <= 11, "{} calls", writes.calls);
}

#[test]
fn a_failure_ends_the_session_and_is_kept() {
    let kind = ErrorKind::ConnectionReset;
    let read = [Gives(b"x\ny"), Fails(kind)];
    for (reads, writes) in [
        (&read[..], &[][..]),
        (&[FailsToAsk(kind)], &[]),
        (&[Gives(b"x\n")], &[Fails(kind)]),
        (&[Gives(b"x\n")], &[FailsToAsk(kind)]),
    ] {
        let mut io = Scripted::polled(reads, writes);
        let mut session = session(16);
        let turn = serve(&mut session, &mut io, NOW, PLENTY);
        assert_eq!(turn, Turn::Ended(Reason::Reset), "{reads:?} {writes:?}");
        assert_eq!(session.held(), 0);
    }
}

#[test]
fn shutdown_echoes_what_has_arrived_and_the_rest() {
    let mut io = Scripted::polled(&[Gives(b"one\ntw")], &[]);
    let mut session = session(4);
    serve(&mut session, &mut io, NOW, PLENTY);
    session.shutdown();
    io.arrives(Gives(b"o\nthree\nfo"));
    io.arrives(Interrupted);
    io.arrives(NotReady);
    io.arrives(Gives(b"after the shutdown\n"));
    let turn = serve(&mut session, &mut io, NOW, PLENTY);
    assert_eq!(turn, Turn::Ended(Reason::Shutdown));
    assert_eq!(io.output, b"one\ntwo\nthree\nfo");
}

#[test]
fn shutdown_waits_for_a_peer_that_has_not_read_yet() {
    let mut io = Scripted::polled(&[Gives(b"abc\ndef\nghi")], &[Never]);
    let mut session = session(4);
    serve(&mut session, &mut io, NOW, PLENTY);
    session.shutdown();
    assert_eq!(
        serve(&mut session, &mut io, NOW, PLENTY),
        waits(false, true)
    );
    io.writes_go_on();
    let turn = serve(&mut session, &mut io, NOW, PLENTY);
    assert_eq!(turn, Turn::Ended(Reason::Shutdown));
    assert_eq!(io.output, b"abc\ndef\nghi");
}

#[test]
fn shutdown_keeps_to_the_budget() {
    let mut io = Scripted::polled(&[Gives(&[b'\n'; 15])], &[]);
    let mut session = session(4);
    session.shutdown();
    assert_eq!(serve(&mut session, &mut io, NOW, 10), Turn::Again);
    let turn = serve(&mut session, &mut io, NOW, 10);
    assert_eq!(turn, Turn::Ended(Reason::Shutdown));
    assert_eq!(io.output, [b'\n'; 15]);
}

#[test]
fn deadlines_are_handed_out_and_end_the_session() {
    let at = Instant::from_millis;
    let config = Config::new()
        .idle_timeout(Some(Duration::from_secs(60)))
        .write_timeout(Some(Duration::from_secs(5)));
    let waits_until = |write, millis| Turn::Wait {
        read: true,
        write,
        until: Some(at(millis)),
    };
    let mut session = with_config(16, config);
    let mut io = Scripted::polled(&[], &[]);
    assert_eq!(
        serve(&mut session, &mut io, at(0), PLENTY),
        waits_until(false, 60_000)
    );

    io.arrives(Gives(b"in time\n"));
    assert_eq!(
        serve(&mut session, &mut io, at(60_000), PLENTY),
        waits_until(false, 120_000)
    );

    let mut idle = session.clone();
    let turn = serve(&mut idle, &mut io, at(120_000), PLENTY);
    assert_eq!(turn, Turn::Ended(Reason::Idle));

    let mut stalled = Scripted::polled(&[Gives(b"stuck\n")], &[Never]);
    assert_eq!(
        serve(&mut session, &mut stalled, at(70_000), PLENTY),
        waits_until(true, 75_000)
    );
    assert_eq!(
        serve(&mut session, &mut stalled, at(74_999), PLENTY),
        waits_until(true, 75_000)
    );
    let turn = serve(&mut session, &mut stalled, at(75_000), PLENTY);
    assert_eq!(turn, Turn::Ended(Reason::WriteStalled));
}

#[test]
fn what_is_ready_goes_back_after_a_failed_read() {
    let kind = ErrorKind::TimedOut;
    for failure in [Fails(kind), FailsToAsk(kind)] {
        let reads = [Gives(b"one\ntwo\nunfinished"), failure];
        let mut io = Scripted::polled(&reads, &[Takes(2), NotReady, NotReady]);
        let mut session = session(32);
        assert_eq!(
            serve(&mut session, &mut io, NOW, PLENTY),
            waits(false, true)
        );
        let turn = serve(&mut session, &mut io, NOW, PLENTY);
        assert_eq!(turn, Turn::Ended(Reason::Failed(kind)));
        assert_eq!(io.output, b"one\ntwo\n");
        assert!(!io.holds_back());
    }
}

#[test]
fn the_first_failure_is_kept() {
    let reads = [Gives(b"one\n"), Fails(ErrorKind::TimedOut)];
    let mut io = Scripted::polled(&reads, &[NotReady, Fails(ErrorKind::BrokenPipe)]);
    let mut session = session(32);
    serve(&mut session, &mut io, NOW, PLENTY);
    let turn = serve(&mut session, &mut io, NOW, PLENTY);
    assert_eq!(turn, Turn::Ended(Reason::Failed(ErrorKind::TimedOut)));
}

fn reads() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => prop::sample::select(vec![&b"a"[..], b"\n", b"\n\n", b"one\r\ntwo", b"\xff\0\n", b"longer than the buffer\n"]).prop_map(Gives),
        1 => Just(NotReady),
        1 => Just(Interrupted),
    ];
    prop::collection::vec(step, 0..40)
}

fn writes() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        (1usize..9).prop_map(Takes),
        Just(NotReady),
        Just(Interrupted),
        Just(Zero)
    ];
    prop::collection::vec(step, 0..80)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_script_is_echoed_exactly(reads in reads(), writes in writes(), budget in 1usize..30) {
        let input: Vec<u8> = reads.iter().flat_map(|step| match step { Gives(bytes) => bytes, _ => &b""[..] }).copied().collect();
        let mut io = Scripted::polled(&reads, &writes);
        io.arrives(Zero);
        let mut session = session(8);
        let mut turns = 0;
        while session.ended().is_none() {
            let calls = io.calls;
            serve(&mut session, &mut io, NOW, budget);
            // Each read or interruption uses up budget, and each byte read is written at most once.
            prop_assert!(io.calls - calls <= 3 * budget + 16, "{} calls", io.calls - calls);
            turns += 1;
            prop_assert!(turns < 1000, "hangs");
        }
        prop_assert_eq!(session.ended(), Some(Reason::PeerClosed));
        prop_assert_eq!(io.output, input);
    }
}
