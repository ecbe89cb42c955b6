//! The work for each byte, and for a turn.

use std::vec::Vec;

use super::{feed, session, take};
use crate::LongLines;

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
fn a_turn_has_a_budget() {
    let budget = |capacity| session(capacity, LongLines::Flush).turn_budget();
    assert_eq!((budget(0), budget(64)), (0, 1024));
    assert_eq!((budget(8 * 1024), budget(64 * 1024)), (131_072, 131_072));
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
