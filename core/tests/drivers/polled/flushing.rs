//! When a session flushes what it wrote.

use core::time::Duration;

use super::{NOW, PLENTY, serve, session, waits, with_config};
use crate::scripted::{Scripted, Step::*};
use linecho_core::embedded_io::ErrorKind;
use linecho_core::polled::{self, Turn};
use linecho_core::transport::NoFlush;
use linecho_core::{Config, Instant, Reason};

#[test]
fn what_was_written_is_flushed_once_at_the_end_of_a_turn() {
    let lines = b"a line\n".repeat(100);
    let mut io = Scripted::polled(&[Gives(lines.leak())], &[]);
    let mut session = session(1024);
    let mut turn = |io: &mut Scripted, budget| serve(&mut session, io, NOW, budget);
    assert_eq!(turn(&mut io, PLENTY), waits(true, false));
    assert_eq!(io.written_and_flushed, (1, 1));
    assert_eq!(turn(&mut io, PLENTY), waits(true, false));
    io.arrives(Gives(b"unfinished"));
    assert_eq!(turn(&mut io, PLENTY), waits(true, false));
    assert_eq!(io.written_and_flushed, (1, 1), "nothing was written");
    io.arrives(Gives(b"\nmore\n"));
    assert_eq!(turn(&mut io, 1), Turn::Again);
    assert_eq!(turn(&mut io, PLENTY), waits(true, false));
    assert_eq!(io.written_and_flushed, (3, 3));
}

#[test]
fn an_interrupted_flush_is_asked_for_again() {
    let mut io = Scripted::polled(&[Gives(b"one\n")], &[]).flushing(&[Interrupted, Interrupted]);
    let mut session = session(16);
    for _ in 0..2 {
        assert_eq!(serve(&mut session, &mut io, NOW, PLENTY), waits(true, true));
        assert!(io.holds_back());
    }
    assert_eq!(
        serve(&mut session, &mut io, NOW, PLENTY),
        waits(true, false)
    );
}

#[test]
fn the_end_is_reported_when_everything_is_flushed() {
    let mut io = Scripted::polled(&[Gives(b"x\ny"), Zero], &[]).flushing(&[Interrupted]);
    let mut session = session(16);
    assert_eq!(
        serve(&mut session, &mut io, NOW, PLENTY),
        waits(false, true)
    );
    assert_eq!(session.ended(), None);
    let turn = serve(&mut session, &mut io, NOW, PLENTY);
    assert_eq!(turn, Turn::Ended(Reason::PeerClosed));
    assert_eq!(io.output, b"x\ny");

    let kind = ErrorKind::ConnectionReset;
    let mut io = Scripted::polled(&[Gives(b"x\ny"), Zero], &[]).flushing(&[Fails(kind)]);
    let turn = serve(&mut self::session(16), &mut io, NOW, PLENTY);
    assert_eq!(turn, Turn::Ended(Reason::Reset));
}

#[test]
fn a_flush_without_progress_is_a_write_that_stalls() {
    let at = Instant::from_millis;
    let config = Config::new()
        .idle_timeout(Some(Duration::from_secs(60)))
        .write_timeout(Some(Duration::from_secs(5)));
    for end in [NotReady, Zero] {
        let reads = [Gives(b"one\n"), end];
        let mut io = Scripted::polled(&reads, &[]).flushing(&[Interrupted; 9]);
        let mut session = with_config(16, config);
        for now in [10_000, 14_999] {
            let turn = serve(&mut session, &mut io, at(now), PLENTY);
            let until = Some(at(15_000));
            assert!(matches!(turn, Turn::Wait { write: true, until: it, .. } if it == until));
        }
        let turn = serve(&mut session, &mut io, at(15_000), PLENTY);
        assert_eq!(turn, Turn::Ended(Reason::WriteStalled));
    }
    let mut io = Scripted::polled(&[Gives(b"one\n")], &[]).flushing(&[Interrupted]);
    let mut session = with_config(16, config);
    serve(&mut session, &mut io, at(10_000), PLENTY);
    serve(&mut session, &mut io, at(14_000), PLENTY);
    let idle_from_the_flush = Some(at(74_000));
    assert_eq!(session.deadline(), idle_from_the_flush);
}

#[test]
fn the_caller_can_choose_not_to_flush() {
    let mut io = Scripted::polled(&[Gives(b"one\n"), Zero], &[]);
    let mut session = session(16);
    let turn = polled::serve(&mut session, &mut NoFlush(&mut io), NOW, PLENTY);
    assert_eq!(turn, Turn::Ended(Reason::PeerClosed));
    assert_eq!(io.written_and_flushed, (1, 0));
}
