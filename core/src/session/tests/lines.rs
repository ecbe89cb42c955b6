//! What goes back: lines, the rest, and what a policy does with lines that are too long.

use std::vec::Vec;

use super::{feed, session, stream, take};
use crate::{Counters, LongLines, Reason};

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
fn counts_that_cannot_be_are_cut() {
    let mut session = session(4, LongLines::Flush);
    session.received(usize::MAX);
    assert_eq!(session.counters().bytes_in, 4);
    session.sent(usize::MAX);
    assert_eq!(session.counters().bytes_out, 4);
}
