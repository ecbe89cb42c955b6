use std::vec;
use std::vec::Vec;

use proptest::prelude::*;

use super::*;

const NOW: Instant = Instant::ZERO;

fn position(line: u64, byte: u64) -> Position {
    Position { line, byte }
}

/// A probe that has sent `lines`.
fn sent(lines: &[&[u8]]) -> Probe<[u8; 64], 8> {
    let mut probe = Probe::new([0; 64]);
    for line in lines {
        probe.queue(line).unwrap();
    }
    probe.sent(usize::MAX, NOW);
    probe
}

#[test]
fn what_is_expected_is_what_was_sent_and_is_not_back() {
    let mut probe = Probe::<_, 4>::new([0; 16]);
    probe.queue(b"one\n").unwrap();
    probe.queue(b"two\n").unwrap();
    assert_eq!(probe.expected(), b"");
    probe.sent(6, Instant::ZERO);
    probe.received(b"o", Instant::ZERO).unwrap();
    assert_eq!(probe.expected(), b"ne\ntw");
}

#[test]
fn what_is_queued_is_sent_and_comes_back() {
    let mut probe = sent(&[b"one\n", b"\n"]);
    assert_eq!((probe.output(), probe.is_done()), (&b""[..], false));
    let echo = probe.received(b"one\n\n", NOW).unwrap();
    assert_eq!((echo.consumed, echo.round_trip), (4, Some(Duration::ZERO)));
    let echo = probe.received(b"\n", NOW).unwrap();
    assert_eq!((echo.consumed, echo.round_trip), (1, Some(Duration::ZERO)));
    assert!(probe.is_done());
    assert_eq!((probe.lines(), probe.bytes()), (2, 5));
}

#[test]
fn a_line_that_comes_back_in_pieces_is_measured_once() {
    let mut probe = sent(&[b"abc\n"]);
    for piece in [b"a", b"b", b"c"] {
        let echo = probe.received(piece, NOW).unwrap();
        assert_eq!((echo.consumed, echo.round_trip), (1, None));
    }
    let none = Echo {
        consumed: 0,
        round_trip: None,
    };
    assert_eq!(probe.received(b"", NOW), Ok(none));
    let echo = probe.received(b"\n", Instant::from_millis(3)).unwrap();
    assert_eq!(echo.round_trip, Some(Duration::from_millis(3)));
    assert_eq!(probe.received(b"", NOW), Ok(none));
}

#[test]
fn round_trips_count_from_when_the_last_byte_of_the_line_went() {
    let at = Instant::from_millis;
    let mut probe = Probe::<_, 4>::new([0; 64]);
    probe.queue(b"one\n").unwrap();
    probe.queue(b"two\n").unwrap();
    probe.queue(b"three\n").unwrap();
    probe.sent(3, at(10));
    probe.sent(6, at(20));
    probe.sent(5, at(30));
    let mut round_trip = |line: &[u8], now| probe.received(line, at(now)).unwrap().round_trip;
    assert_eq!(round_trip(b"one\n", 100), Some(Duration::from_millis(80)));
    assert_eq!(round_trip(b"two\n", 100), Some(Duration::from_millis(80)));
    assert_eq!(round_trip(b"three\n", 31), Some(Duration::from_millis(1)));
}

#[test]
fn another_byte_than_was_sent_is_a_mismatch_with_its_position() {
    let mut probe = sent(&[b"one\n", b"two\n"]);
    probe.received(b"one\n", NOW).unwrap();
    probe.received(b"t", NOW).unwrap();
    let mismatch = ProbeError::Mismatch {
        position: position(2, 3),
        expected: b'o',
        got: b'x',
    };
    assert_eq!(probe.received(b"wx\n", NOW), Err(mismatch));
    assert_eq!(probe.bytes(), 6, "the bytes before it count");
}

#[test]
fn a_byte_that_was_not_sent_is_unsent_even_if_it_is_queued() {
    let unsent = |position, got| Err(ProbeError::Unsent { position, got });
    let mut probe = sent(&[b"one\n"]);
    probe.received(b"one\n", NOW).unwrap();
    assert_eq!(probe.received(b"?", NOW), unsent(position(2, 1), b'?'));
    probe.queue(b"two\n").unwrap();
    probe.sent(2, NOW);
    assert_eq!(probe.received(b"two\n", NOW), unsent(position(2, 3), b'o'));
}

#[test]
fn what_did_not_come_back_is_missing() {
    let mut probe = sent(&[b"one\n", b"two\n"]);
    probe.queue(b"queued only\n").unwrap();
    probe.received(b"one\n", NOW).unwrap();
    probe.received(b"tw", NOW).unwrap();
    let missing = ProbeError::Missing {
        position: position(2, 3),
        bytes: 2 + 12,
    };
    assert_eq!(probe.end_of_input(), Err(missing));
    assert_eq!(sent(&[]).end_of_input(), Ok(()));
}

#[test]
fn a_line_is_queued_whole_or_not_at_all() {
    let mut probe = Probe::<_, 4>::new([0; 8]);
    assert_eq!(probe.queue(b"123456789"), Err(QueueFull));
    assert_eq!(probe.room(), 8);
    probe.queue(b"12345\n").unwrap();
    assert_eq!(probe.queue(b"12\n"), Err(QueueFull));
    assert_eq!((probe.output(), probe.room()), (&b"12345\n"[..], 2));
    probe.queue(b"\n").unwrap();
    probe.queue(b"").unwrap();
    assert_eq!(probe.output(), b"12345\n\n");
    probe.queue(b"\n").unwrap();
    assert_eq!(probe.queue(b"\n"), Err(QueueFull), "no byte fits");
    let mut probe = Probe::<_, 4>::new([0; 8]);
    for _ in 0..4 {
        probe.queue(b"\n").unwrap();
    }
    assert_eq!(probe.queue(b"\n"), Err(QueueFull), "no line fits");
}

#[test]
fn a_line_that_fits_exactly_moves_nothing() {
    let mut probe = Probe::<_, 4>::new([0; 8]);
    probe.queue(b"abc\n").unwrap();
    probe.queue(b"d").unwrap();
    probe.sent(5, NOW);
    probe.received(b"abc\n", NOW).unwrap();
    assert_eq!(probe.room(), 7);
    probe.queue(b"ef\n").unwrap();
    assert_eq!((probe.buffer.moved, probe.room()), (0, 4));
    probe.queue(b"gh\n").unwrap();
    assert_eq!(probe.buffer.moved, 4);
    assert_eq!(probe.expected(), b"d");
    assert_eq!(probe.output(), b"ef\ngh\n");
}

/// To move more than has gone would cost more than each byte's one move.
#[test]
fn nothing_moves_for_little_room() {
    let mut probe = Probe::<_, 4>::new([0; 8]);
    for line in [&b"a\n"[..], b"bcd\n", b"e\n"] {
        probe.queue(line).unwrap();
    }
    probe.sent(8, NOW);
    probe.received(b"a\n", NOW).unwrap();
    assert_eq!((probe.room(), probe.queue(b"f")), (0, Err(QueueFull)));
    probe.received(b"bc", NOW).unwrap();
    assert_eq!((probe.room(), probe.queue(b"f")), (4, Ok(())));
}

#[test]
fn the_window_is_a_limit_of_its_own() {
    let mut probe = Probe::<_, 2>::new([0; 64]);
    probe.queue(b"a\n").unwrap();
    probe.queue(b"b\n").unwrap();
    assert_eq!((probe.room(), probe.queue(b"c\n")), (0, Err(QueueFull)));
    probe.sent(usize::MAX, NOW);
    assert_eq!(probe.room(), 0, "sent is still in flight");
    probe.received(b"a\n", NOW).unwrap();
    probe.queue(b"c\n").unwrap();
    assert_eq!(probe.output(), b"c\n");
}

#[test]
fn the_last_line_may_lack_its_newline() {
    let mut probe = sent(&[b"one\n", b"rest"]);
    probe.received(b"one\n", NOW).unwrap();
    probe.received(b"re", NOW).unwrap();
    assert!(!probe.is_done());
    let echo = probe.received(b"st", NOW).unwrap();
    assert_eq!(echo.round_trip, None, "it could still go on");
    assert!(probe.is_done());
    assert_eq!((probe.lines(), probe.end_of_input()), (1, Ok(())));
}

#[test]
fn a_line_is_queued_in_pieces() {
    let mut probe = Probe::<_, 2>::new([0; 8]);
    probe.queue(b"ab").unwrap();
    probe.sent(2, NOW);
    assert!(probe.is_within_line());
    probe.queue(b"c").unwrap();
    probe.queue(b"d\n").unwrap();
    assert!(!probe.is_within_line());
    probe.sent(3, Instant::from_millis(5));
    let echo = probe.received(b"abcd\n", Instant::from_millis(7)).unwrap();
    assert_eq!(echo.round_trip, Some(Duration::from_millis(2)));
    assert_eq!((probe.lines(), probe.is_done()), (1, true));
}

/// Nothing of an unfinished line comes back before its end, for which there must be room.
#[test]
fn there_is_room_for_the_end_of_the_only_line() {
    let mut probe = Probe::<_, 4>::new([0; 3]);
    probe.queue(b"\n").unwrap();
    probe.queue(b"ab").unwrap();
    probe.sent(3, NOW);
    assert_eq!(probe.room(), 0);
    probe.received(b"\n", NOW).unwrap();
    assert_eq!(probe.room(), 1);
    probe.queue(b"\n").unwrap();
    probe.sent(1, NOW);
    probe.received(b"ab\n", NOW).unwrap();
    assert!(probe.is_done());
}

#[test]
fn larger_storage_makes_room_and_what_is_in_flight_moves_along() {
    let mut probe = Probe::<_, 4>::new(vec![0; 4]);
    probe.queue(b"a\n").unwrap();
    probe.sent(2, NOW);
    probe.received(b"a\n", NOW).unwrap();
    probe.queue(b"bcde").unwrap();
    probe.sent(2, NOW);
    assert_eq!((probe.room(), probe.is_within_line()), (0, true));
    assert_eq!(probe.replace_storage(vec![0; 3]), Err(vec![0; 3]));
    assert_eq!(probe.replace_storage(vec![0; 6]), Ok(b"bcde".to_vec()));
    assert_eq!((probe.capacity(), probe.room()), (6, 2));
    assert_eq!(probe.output(), b"de");
    probe.queue(b"f\n").unwrap();
    probe.sent(usize::MAX, NOW);
    let echo = probe.received(b"bcdef\n", NOW).unwrap();
    assert_eq!((echo.consumed, probe.is_done()), (6, true));
}

#[test]
fn counts_that_cannot_be_are_cut() {
    let mut probe = Probe::<_, 2>::new([0; 8]);
    probe.sent(usize::MAX, NOW);
    probe.queue(b"a\n").unwrap();
    probe.sent(usize::MAX, NOW);
    probe.received(b"a\n", NOW).unwrap();
    assert!(probe.is_done());
}

/// Work is linear: each byte is moved at most once, and a full window costs nothing per byte.
#[test]
fn one_byte_at_a_time_through_a_full_window_is_linear() {
    const LINES: u64 = 10_000;
    let mut probe = Probe::<_, 256>::new(vec![0; 4096]);
    let (mut queued, mut calls) = (0, 0);
    while probe.lines() < LINES {
        while queued < LINES && probe.queue(b"a line\n").is_ok() {
            queued += 1;
        }
        for _ in 0..probe.output().len() {
            probe.sent(1, NOW);
            calls += 1;
        }
        for byte in b"a line\n" {
            probe.received(&[*byte], NOW).unwrap();
        }
    }
    let bytes = probe.bytes();
    assert!(
        (LINES..=calls + LINES).contains(&probe.looked_at),
        "{} lines looked at in {calls} calls",
        probe.looked_at
    );
    assert!(
        probe.buffer.moved <= bytes,
        "{} bytes moved",
        probe.buffer.moved
    );
}

fn lines() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let byte = prop_oneof![3 => Just(b'x'), 1 => any::<u8>()];
    let line = prop::collection::vec(byte, 0..20).prop_map(|mut line| {
        line.retain(|&byte| byte != b'\n');
        line.push(b'\n');
        line
    });
    prop::collection::vec(line, 1..30)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, max_shrink_iters: 500, ..ProptestConfig::default() })]

    /// An honest peer is found honest, whatever the chopping; the window and the storage are never
    /// exceeded; each round trip is the time between the calls that told of its two ends.
    #[test]
    fn any_chopping_of_an_honest_echo_passes(
        lines in lines(),
        capacity in 20usize..60,
        pieces in prop::collection::vec((0usize..30, 0usize..30), 1..40),
    ) {
        const WINDOW: usize = 4;
        let text = lines.concat();
        let ends: Vec<usize> = lines.iter().scan(0, |end, line| { *end += line.len(); Some(*end) }).collect();
        let mut probe = Probe::<_, WINDOW>::new(vec![0; capacity]);
        let (mut queued, mut wire, mut returned) = (0, Vec::new(), 0);
        let (mut sent_at, mut times, mut expected) = (Vec::new(), Vec::new(), Vec::new());
        let mut clock = 0;
        for (sends, returns) in pieces.into_iter().cycle().take(200) {
            while let Some(line) = lines.get(queued) {
                let room = probe.room();
                let taken = probe.queue(line).is_ok();
                prop_assert_eq!(taken, line.len() <= room);
                if !taken { break; }
                queued += 1;
            }
            let in_flight = queued - times.len();
            let held: usize = lines[..queued].iter().map(Vec::len).sum::<usize>() - returned;
            prop_assert!(in_flight <= WINDOW && held <= capacity);

            clock += 7;
            let n = sends.min(probe.output().len());
            wire.extend_from_slice(&probe.output()[..n]);
            probe.sent(n, Instant::from_millis(clock));
            sent_at.resize(wire.len(), clock);

            clock += 11;
            let n = returns.min(wire.len() - returned);
            let mut back = &wire[returned..returned + n];
            returned += n;
            while !back.is_empty() {
                let echo = probe.received(back, Instant::from_millis(clock)).unwrap();
                prop_assert!(echo.consumed > 0);
                back = &back[echo.consumed..];
                if let Some(time) = echo.round_trip {
                    expected.push(clock - sent_at[ends[times.len()] - 1]);
                    times.push(time.as_millis() as u64);
                }
            }
            prop_assert_eq!(probe.bytes(), returned as u64);
        }
        if returned == text.len() {
            prop_assert_eq!(probe.end_of_input(), Ok(()));
            prop_assert_eq!(times.len(), lines.len());
        }
        prop_assert!(text.starts_with(&wire));
        prop_assert_eq!(times, expected);
        prop_assert!(probe.buffer.moved <= returned as u64);
    }

    /// Any single change of what comes back is found, at its place.
    #[test]
    fn any_changed_byte_is_found(lines in lines(), at: prop::sample::Index, change in 1u8.., chop in 1usize..30) {
        let text = lines.concat();
        let at = at.index(text.len());
        let mut back = text.clone();
        back[at] ^= change;
        let mut probe = Probe::<_, 32>::new(vec![0; text.len()]);
        for line in &lines {
            probe.queue(line).unwrap();
        }
        probe.sent(usize::MAX, NOW);
        let found = back.chunks(chop).find_map(|piece| probe.check(piece, NOW, &mut |_| {}).err());

        let before = &text[..at];
        let line = before.iter().filter(|&&byte| byte == b'\n').count() as u64 + 1;
        let byte = before.iter().rev().take_while(|&&byte| byte != b'\n').count() as u64 + 1;
        prop_assert_eq!(found, Some(ProbeError::Mismatch { position: position(line, byte), expected: text[at], got: back[at] }));
    }
}
