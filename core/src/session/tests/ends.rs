//! The end: by the peer, by the owner, by a failure.

use embedded_io::ErrorKind;

use super::{feed, session, take};
use crate::{Counters, LongLines, Reason};

#[test]
fn a_session_without_bytes_ends_at_once() {
    let mut session = session(16, LongLines::Flush);
    session.end_of_input();
    assert_eq!(session.ended(), Some(Reason::PeerClosed));
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
