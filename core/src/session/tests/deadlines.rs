//! Idle sessions, and peers that do not read.

use core::time::Duration;

use super::{feed, take};
use crate::{Config, Instant, LongLines, Reason, Session};

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
fn sent_nothing_is_no_progress() {
    let at = Instant::from_millis;
    let config = Config::new().write_timeout(Some(Duration::from_secs(5)));
    let mut session = Session::new([0; 16], config, at(0));
    feed(&mut session, b"a\n");
    session.tick(at(1_000));
    session.sent(0);
    assert_eq!(session.tick(at(2_000)), Some(at(6_000)));
}
