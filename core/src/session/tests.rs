use core::time::Duration;
use std::boxed::Box;
use std::vec;
use std::vec::Vec;

use embedded_io::ErrorKind;
use proptest::prelude::*;

use super::*;
use crate::oracle;

fn session(capacity: usize, policy: LongLines) -> Session<Box<[u8]>> {
    let config = Config::new().long_lines(policy);
    Session::new(vec![0; capacity].into_boxed_slice(), config, Instant::ZERO)
}

/// Offers `bytes`, and says how many were taken.
fn feed<S: AsRef<[u8]> + AsMut<[u8]>>(session: &mut Session<S>, bytes: &[u8]) -> usize {
    let input = session.input();
    let n = input.len().min(bytes.len());
    input[..n].copy_from_slice(&bytes[..n]);
    session.received(n);
    n
}

/// Takes at most `limit` bytes of output.
fn take<S: AsRef<[u8]> + AsMut<[u8]>>(session: &mut Session<S>, limit: usize) -> Vec<u8> {
    let output = session.output();
    let taken = output[..output.len().min(limit)].to_vec();
    session.sent(taken.len());
    taken
}

/// Feeds all of `bytes` to a session whose peer reads everything at once.
fn stream(session: &mut Session<Box<[u8]>>, mut bytes: &[u8], output: &mut Vec<u8>) {
    // The first turn may find the buffer full; after that each takes a byte in.
    for _ in 0..=bytes.len() {
        if session.reason.is_none() {
            bytes = &bytes[feed(session, bytes)..];
            output.extend(take(session, usize::MAX));
        }
    }
    assert!(bytes.is_empty() || session.reason.is_some());
}

#[test]
fn a_line_goes_back_when_its_newline_has_arrived() {
    let mut session = session(16, LongLines::Flush);
    feed(&mut session, b"ab");
    assert_eq!(session.output(), b"");
    feed(&mut session, b"c\r\n\nd");
    assert_eq!(session.output(), b"abc\r\n\n");
    assert_eq!(session.held(), 7);
    assert_eq!(session.counters().lines, 2);
}

#[test]
fn the_unterminated_rest_goes_back_at_half_close() {
    let mut session = session(16, LongLines::Flush);
    feed(&mut session, b"x\ny");
    session.end_of_input();
    assert!(session.input().is_empty());
    assert_eq!(session.ended(), None);
    assert_eq!(take(&mut session, usize::MAX), b"x\ny");
    assert_eq!(session.ended(), Some(Reason::PeerClosed));
    assert_eq!(
        session.counters(),
        Counters {
            bytes_in: 3,
            bytes_out: 3,
            lines: 1,
            overlong: 0
        }
    );
}

#[test]
fn a_session_without_bytes_ends_at_once() {
    let mut session = session(16, LongLines::Flush);
    session.end_of_input();
    assert_eq!(session.ended(), Some(Reason::PeerClosed));
}

#[test]
fn a_full_buffer_takes_no_input_until_output_has_gone() {
    let mut session = session(4, LongLines::Flush);
    assert_eq!(feed(&mut session, b"ab\ncdef"), 4);
    assert!(session.input().is_empty());
    take(&mut session, 2);
    assert!(
        session.input().is_empty(),
        "output waits, so nothing is moved"
    );
    take(&mut session, 1);
    assert_eq!(session.input().len(), 3);
    assert_eq!(feed(&mut session, b"\n"), 1);
    assert_eq!(take(&mut session, usize::MAX), b"c\n");
}

/// A line that waits for its end moves once more has gone than is free: not for each byte.
#[test]
fn room_is_made_when_more_has_gone_than_is_free() {
    let mut session = session(8, LongLines::Flush);
    feed(&mut session, b"a\nb");
    take(&mut session, 2);
    assert_eq!(session.input().len(), 5);
    feed(&mut session, b"cde");
    assert_eq!(session.input().len(), 2, "as much as has gone");
    feed(&mut session, b"f");
    assert_eq!(session.input().len(), 3);
    assert_eq!(session.buffer.moved, 5);
}

#[test]
fn a_line_of_exactly_the_capacity_fits() {
    for policy in [LongLines::Flush, LongLines::Discard, LongLines::Close] {
        let mut session = session(4, policy);
        feed(&mut session, b"abc");
        feed(&mut session, b"\n");
        assert_eq!(take(&mut session, usize::MAX), b"abc\n", "{policy:?}");
        assert_eq!(session.counters().overlong, 0);
    }
}

#[test]
fn flush_gives_a_full_buffer_back_and_counts_the_line_once() {
    let mut session = session(4, LongLines::Flush);
    let mut output = Vec::new();
    stream(&mut session, b"0123456789\nab\n", &mut output);
    assert_eq!(output, b"0123456789\nab\n");
    assert_eq!(
        (session.counters().lines, session.counters().overlong),
        (2, 1)
    );
}

#[test]
fn discard_drops_the_line_and_finds_the_next() {
    let mut session = session(4, LongLines::Discard);
    let mut output = Vec::new();
    stream(&mut session, b"a\n0123456789\nb\n\n0123\nc", &mut output);
    session.end_of_input();
    output.extend(take(&mut session, usize::MAX));
    assert_eq!(output, b"a\nb\n\nc");
    let counters = session.counters();
    assert_eq!(
        (counters.lines, counters.overlong, counters.bytes_in),
        (3, 2, 22)
    );
}

#[test]
fn nothing_of_a_dropped_line_is_held() {
    let mut session = session(4, LongLines::Discard);
    feed(&mut session, b"0123");
    feed(&mut session, b"45");
    assert_eq!((session.held(), session.input().len()), (0, 4));
}

#[test]
fn close_ends_after_the_lines_before_have_gone() {
    let mut session = session(4, LongLines::Close);
    assert_eq!(feed(&mut session, b"a\n0123"), 4);
    assert_eq!(session.ended(), None);
    assert_eq!(take(&mut session, usize::MAX), b"a\n");
    feed(&mut session, b"23");
    assert_eq!(session.ended(), Some(Reason::LineTooLong));
    assert!(session.input().is_empty());
    assert_eq!(session.counters().overlong, 1);
}

#[test]
fn shutdown_takes_in_what_has_arrived() {
    let mut session = session(16, LongLines::Flush);
    feed(&mut session, b"a\nb");
    session.shutdown();
    feed(&mut session, b"c");
    session.end_of_input();
    assert_eq!(take(&mut session, usize::MAX), b"a\nbc");
    assert_eq!(session.ended(), Some(Reason::Shutdown));
}

#[test]
fn the_first_end_counts_and_what_is_held_is_lost() {
    let mut session = session(16, LongLines::Flush);
    feed(&mut session, b"a\nb");
    session.end(Reason::Reset);
    assert_eq!(session.held(), 0);
    session.end(Reason::Idle);
    session.end_of_input();
    assert_eq!(session.ended(), Some(Reason::Reset));
}

#[test]
fn a_peer_that_closes_and_never_reads_stalls() {
    let config = Config::new().write_timeout(Some(Duration::from_secs(1)));
    let mut session = Session::new([0; 16], config, Instant::ZERO);
    feed(&mut session, b"a\nb");
    session.end_of_input();
    session.tick(Instant::from_millis(10));
    session.tick(Instant::from_millis(1010));
    assert_eq!(session.ended(), Some(Reason::WriteStalled));
}

/// The rest begins to wait at the end of input; output that waited before goes on to.
#[test]
fn the_end_of_input_moves_the_deadline_only_of_the_rest() {
    let at = Instant::from_millis;
    let config = Config::new().write_timeout(Some(Duration::from_secs(5)));
    for (text, deadline) in [(&b"rest"[..], 8_000), (b"line\nrest", 6_000)] {
        let mut session = Session::new([0; 16], config, at(0));
        feed(&mut session, text);
        session.tick(at(1_000));
        session.end_of_input();
        assert_eq!(session.tick(at(3_000)), Some(at(deadline)));
    }
}

#[test]
fn deadlines_start_anew_when_the_driver_says_so() {
    let at = Instant::from_millis;
    let config = Config::new().idle_timeout(Some(Duration::from_secs(10)));
    let mut session = Session::new([0; 16], config, at(0));
    session.restart_deadlines(at(30_000));
    assert_eq!(session.tick(at(30_000)), Some(at(40_000)));
    session.tick(at(40_000));
    assert_eq!(session.ended(), Some(Reason::Idle));
}

#[test]
fn idle_counts_from_progress_and_not_from_arrival() {
    let at = Instant::from_millis;
    let config = Config::new().idle_timeout(Some(Duration::from_secs(10)));
    let mut session = Session::new([0; 16], config, at(500));
    assert_eq!(session.deadline(), Some(at(10_500)));

    feed(&mut session, b"a\n");
    take(&mut session, usize::MAX);
    session.tick(at(5_000));
    assert_eq!(session.deadline(), Some(at(15_000)));

    for second in 6..15 {
        feed(&mut session, b"x");
        session.tick(at(second * 1_000));
        assert_eq!(
            session.deadline(),
            Some(at(15_000)),
            "an unfinished line is no progress"
        );
    }
    session.tick(at(14_999));
    assert_eq!(session.ended(), None);
    session.tick(at(15_000));
    assert_eq!(session.ended(), Some(Reason::Idle));
    assert_eq!(session.deadline(), None);
}

#[test]
fn bytes_that_are_dropped_are_no_progress() {
    let at = Instant::from_millis;
    let config = Config::new()
        .long_lines(LongLines::Discard)
        .idle_timeout(Some(Duration::from_secs(10)));
    let mut session = Session::new([0; 4], config, at(0));
    for second in 0..10 {
        feed(&mut session, b"xxxx");
        session.tick(at(second * 1_000));
        assert_eq!(session.ended(), None);
    }
    session.tick(at(10_000));
    assert_eq!(session.ended(), Some(Reason::Idle));
}

#[test]
fn a_write_stall_counts_from_when_output_began_to_wait() {
    let at = Instant::from_millis;
    let config = Config::new()
        .idle_timeout(Some(Duration::from_secs(60)))
        .write_timeout(Some(Duration::from_secs(5)));
    let mut session = Session::new([0; 16], config, at(0));
    assert_eq!(session.deadline(), Some(at(60_000)));
    feed(&mut session, b"abc\n");
    session.tick(at(50_000));
    assert_eq!(session.deadline(), Some(at(55_000)));
    feed(&mut session, b"d\n");
    session.tick(at(54_000));
    assert_eq!(
        session.deadline(),
        Some(at(55_000)),
        "more output does not move it"
    );
    take(&mut session, 1);
    session.tick(at(54_500));
    assert_eq!(
        session.deadline(),
        Some(at(59_500)),
        "one byte that went does"
    );
    session.tick(at(59_500));
    assert_eq!(session.ended(), Some(Reason::WriteStalled));
}

#[test]
fn without_timeouts_there_is_no_deadline() {
    let mut session = Session::new([0; 4], Config::new(), Instant::ZERO);
    feed(&mut session, b"a\n");
    session.tick(Instant::from_micros(u64::MAX));
    assert_eq!((session.deadline(), session.ended()), (None, None));
}

#[test]
fn a_session_without_storage_takes_nothing_until_it_is_lent_some() {
    let mut session = Session::new(Vec::new(), Config::new(), Instant::ZERO);
    assert!(session.input().is_empty());
    session.received(0);
    session.received(7);
    assert_eq!(session.counters(), Counters::default());
    session.replace_storage(vec![0; 8]).unwrap();
    feed(&mut session, b"a\nb");
    assert_eq!(session.replace_storage(Vec::new()), Err(Vec::new()));
    take(&mut session, usize::MAX);
    assert!(
        session.replace_storage(Vec::new()).is_err(),
        "an unfinished line is held"
    );
    feed(&mut session, b"\n");
    take(&mut session, usize::MAX);
    assert_eq!(session.replace_storage(Vec::new()).unwrap().len(), 8);
}

/// An unfinished line that fills its storage would have neither input nor output, for ever.
#[test]
fn an_unfinished_line_keeps_room_for_its_next_byte_when_storage_is_exchanged() {
    let mut session = Session::new(vec![0; 8], Config::new(), Instant::ZERO);
    feed(&mut session, b"abc");
    assert_eq!(session.replace_storage(vec![0; 3]), Err(vec![0; 3]));
    session.replace_storage(vec![0; 4]).unwrap();
    assert_eq!(session.input().len(), 1);
    feed(&mut session, b"\n");
    session.replace_storage(vec![0; 4]).unwrap();
    assert_eq!(take(&mut session, 4), b"abc\n");

    let mut session = Session::new(vec![0; 8], Config::new(), Instant::ZERO);
    feed(&mut session, b"a\nbc");
    session.replace_storage(vec![0; 4]).unwrap();
    assert!(session.input().is_empty());
    take(&mut session, 2);
    assert_eq!(session.input().len(), 2, "output that goes makes room");
}

#[test]
fn nothing_is_received_after_the_end_of_input() {
    for end in 0..3 {
        let mut session = session(8, LongLines::Flush);
        session.input().fill(b'\n');
        match end {
            0 => session.end_of_input(),
            1 => session.end(Reason::Idle),
            _ => session.read_failed(ErrorKind::Other),
        }
        let ended = session.ended();
        assert!(ended.is_some());
        session.received(usize::MAX);
        assert_eq!((session.ended(), session.output()), (ended, &b""[..]));
        assert_eq!(session.counters(), Counters::default());
    }
}

#[test]
fn what_is_ready_goes_back_after_a_failed_read() {
    let failed = Reason::Failed(ErrorKind::TimedOut);
    let mut session = session(16, LongLines::Flush);
    feed(&mut session, b"one\nunfinished");
    session.read_failed(ErrorKind::TimedOut);
    assert!(session.input().is_empty());
    assert_eq!((session.held(), session.ended()), (4, None));
    session.read_failed(ErrorKind::Other);
    assert_eq!(take(&mut session, usize::MAX), b"one\n");
    assert_eq!(session.ended(), Some(failed));
}

#[test]
fn the_first_failure_is_kept_and_a_reset_ends_at_once() {
    let failed = Reason::Failed(ErrorKind::TimedOut);
    let mut session = session(16, LongLines::Flush);
    feed(&mut session, b"one\n");
    session.read_failed(ErrorKind::TimedOut);
    session.end(Reason::Reset);
    assert_eq!((session.held(), session.ended()), (0, Some(failed)));

    let mut session = self::session(16, LongLines::Flush);
    feed(&mut session, b"one\n");
    session.read_failed(ErrorKind::ConnectionAborted);
    assert_eq!((session.held(), session.ended()), (0, Some(Reason::Reset)));
}

#[test]
fn sent_nothing_is_no_progress() {
    let at = Instant::from_millis;
    let config = Config::new().write_timeout(Some(Duration::from_secs(5)));
    let mut session = Session::new([0; 16], config, at(0));
    feed(&mut session, b"a\n");
    session.tick(at(1_000));
    session.sent(0);
    assert_eq!(session.tick(at(2_000)), Some(at(6_000)));
}

#[test]
fn a_turn_has_a_budget() {
    let budget = |capacity| session(capacity, LongLines::Flush).turn_budget();
    assert_eq!((budget(0), budget(64)), (0, 1024));
    assert_eq!((budget(8 * 1024), budget(64 * 1024)), (131_072, 131_072));
}

#[test]
fn counts_that_cannot_be_are_cut() {
    let mut session = session(4, LongLines::Flush);
    session.received(usize::MAX);
    assert_eq!(session.counters().bytes_in, 4);
    session.sent(usize::MAX);
    assert_eq!(session.counters().bytes_out, 4);
}

/// Work is linear in the bytes: each byte is looked at once and moved at most once.
#[test]
fn one_byte_reads_of_a_long_line_are_scanned_once() {
    let mut session = session(1 << 16, LongLines::Flush);
    feed(&mut session, b"short\nbeginning");
    take(&mut session, usize::MAX);
    for _ in 0..(1 << 16) - 20 {
        assert_eq!(feed(&mut session, b"x"), 1);
    }
    feed(&mut session, b"\n");
    let bytes = session.counters().bytes_in;
    assert_eq!(session.scanned, bytes);
    assert!(
        session.buffer.moved <= bytes,
        "{} moved of {bytes}",
        session.buffer.moved
    );
}

#[test]
fn a_peer_that_takes_one_byte_at_a_time_moves_each_byte_at_most_once() {
    let mut session = session(1000, LongLines::Flush);
    let text: Vec<u8> = (0..100_000)
        .map(|i| if i % 77 == 76 { b'\n' } else { b'x' })
        .collect();
    let (mut rest, mut output) = (&text[..], Vec::new());
    // One byte goes each time, but for the one time before the first is ready.
    for _ in 0..=text.len() {
        rest = &rest[feed(&mut session, rest)..];
        if rest.is_empty() {
            session.end_of_input();
        }
        output.extend(take(&mut session, 1));
    }
    assert_eq!(output, text);
    assert_eq!(session.scanned, text.len() as u64);
    assert!(
        session.buffer.moved <= text.len() as u64,
        "{} moved",
        session.buffer.moved
    );
}

/// Takes the storage back if nothing is held, as a pool does, and lends another that others have
/// used.
fn lend_other_storage(session: &mut Session<Box<[u8]>>) {
    let used = vec![b'\n'; session.capacity()].into_boxed_slice();
    if session.held() == 0 {
        session.replace_storage(Box::default()).unwrap();
        assert!(session.input().is_empty());
    }
    session.replace_storage(used).unwrap();
}

fn policies() -> impl Strategy<Value = LongLines> {
    prop_oneof![
        Just(LongLines::Flush),
        Just(LongLines::Discard),
        Just(LongLines::Close)
    ]
}

/// Generates bytes with many newlines, so that lines of every length around the capacity occur.
fn text() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![4 => Just(b'x'), 1 => Just(b'\n'), 1 => any::<u8>()];
    prop::collection::vec(byte, 0..200)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, max_shrink_iters: 500, ..ProptestConfig::default() })]

    #[test]
    fn any_chopping_gives_what_the_oracle_gives(
        text in text(),
        capacity in 1usize..20,
        policy in policies(),
        pieces in prop::collection::vec((1usize..12, 0usize..12, any::<bool>()), 1..40),
        shuts_down in any::<bool>(),
    ) {
        let mut session = session(capacity, policy);
        let (mut fed, mut output) = (0, Vec::new());
        for (offer, reads, other_storage) in pieces.into_iter().cycle().take(200) {
            if other_storage {
                lend_other_storage(&mut session);
            }
            let offered = &text[fed..text.len().min(fed + offer)];
            fed += feed(&mut session, offered);
            output.extend(take(&mut session, reads));
            let now = oracle::echo(&text[..fed], capacity, policy, false).collect::<Vec<_>>().concat();
            prop_assert!(now.starts_with(&output));
            prop_assert_eq!(now.len(), output.len() + session.output().len());
            prop_assert!(session.held() <= capacity);
        }
        output.extend(take(&mut session, usize::MAX));
        stream(&mut session, &text[fed..], &mut output);
        if shuts_down {
            session.shutdown();
        }
        session.end_of_input();
        output.extend(take(&mut session, usize::MAX));

        let whole = oracle::echo(&text, capacity, policy, true).collect::<Vec<_>>().concat();
        prop_assert_eq!(&output, &whole);
        let counters = session.counters();
        prop_assert_eq!((counters.lines, counters.overlong), oracle::count(&text, capacity, policy));
        prop_assert_eq!(counters.bytes_out, output.len() as u64);
        let reason = match policy {
            LongLines::Close if counters.overlong > 0 => Reason::LineTooLong,
            _ if shuts_down => Reason::Shutdown,
            _ => Reason::PeerClosed,
        };
        prop_assert_eq!(session.ended(), Some(reason));
        prop_assert_eq!(session.scanned, counters.bytes_in);
        prop_assert!(session.buffer.moved <= counters.bytes_in);
    }
}
