//! Storage that is full, lent and exchanged.

use std::vec;
use std::vec::Vec;

use super::{feed, session, take};
use crate::{Config, Counters, Instant, LongLines, Session};

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
