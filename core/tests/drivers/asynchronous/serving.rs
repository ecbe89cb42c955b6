//! What a session reads and writes, how long it waits, and when others have their turn.

use core::future::Future;
use core::pin::pin;
use core::task::{Context, Poll, Waker};
use core::time::Duration;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Wake;

use super::{Clock, poll, run, serve, serve_at, serve_with, served, session, with_config};
use crate::scripted::{Scripted, Step, Step::*};
use linecho_core::asynchronous;
use linecho_core::embedded_io::ErrorKind;
use linecho_core::{Config, Instant, Reason};

#[test]
fn lines_and_the_rest_go_back() {
    let reads = [
        NotReady,
        Gives(b"on"),
        NotReady,
        Gives(b"e\nlonger than the buffer\ntwo"),
        Zero,
    ];
    let expected = b"one\nlonger than the buffer\ntwo".to_vec();
    assert_eq!(served(&reads, &[]), (Reason::PeerClosed, expected.clone()));
    let writes = [Takes(1), NotReady].repeat(40);
    assert_eq!(served(&reads, &writes), (Reason::PeerClosed, expected));
}

#[test]
fn interruptions_are_tried_again() {
    let reads = [Interrupted, NotReady, Gives(b"one\n"), Interrupted, Zero];
    let writes = [Interrupted, NotReady, Takes(1), Interrupted];
    assert_eq!(
        served(&reads, &writes),
        (Reason::PeerClosed, b"one\n".to_vec())
    );
}

#[test]
fn a_write_that_takes_nothing_ends_the_session() {
    let (reason, output) = served(&[Gives(b"one\n")], &[Takes(2), Zero]);
    assert_eq!(
        (reason, &output[..]),
        (Reason::Failed(ErrorKind::WriteZero), &b"on"[..])
    );
}

#[test]
fn a_failure_ends_the_session_and_is_kept() {
    let kind = ErrorKind::ConnectionAborted;
    assert_eq!(served(&[Fails(kind)], &[]).0, Reason::Reset);
    assert_eq!(served(&[Gives(b"one\n")], &[Fails(kind)]).0, Reason::Reset);
}

#[test]
fn a_session_without_storage_ends() {
    let mut io = Scripted::blocking(&[Gives(b"one\n")], &[]);
    let mut session = with_config(0, Config::new());
    let reason = run(serve(&mut session, &mut io));
    assert_eq!(reason, Reason::Failed(ErrorKind::OutOfMemory));
    assert_eq!(io.calls, 0);
}

/// While the driver runs it holds the session; to shut down, drop its future and start it again.
#[test]
fn shutdown_echoes_what_has_arrived_and_the_rest() {
    let reads = [
        Gives(b"one\ntw"),
        NotReady,
        Gives(b"o\nthree\nfo"),
        NotReady,
        Gives(b"late\n"),
    ];
    let mut io = Scripted::blocking(&reads, &[]);
    let mut session = session();
    {
        let mut serving = pin!(serve(&mut session, &mut io));
        assert!(poll(serving.as_mut()).is_pending());
    }
    session.shutdown();
    let reason = run(serve(&mut session, &mut io));
    assert_eq!(reason, Reason::Shutdown);
    assert_eq!(io.output, b"one\ntwo\nthree\nfo");
}

#[test]
fn shutdown_waits_for_a_peer_that_has_not_read_yet() {
    let mut io = Scripted::blocking(&[Gives(b"one\ntw")], &[NotReady, Takes(1), NotReady]);
    let mut session = session();
    session.shutdown();
    let reason = run(serve(&mut session, &mut io));
    assert_eq!(reason, Reason::Shutdown);
    assert_eq!(io.output, b"one\ntw");
}

#[test]
fn the_idle_deadline_ends_a_pending_read() {
    let clock = Clock::default();
    let config = Config::new().idle_timeout(Some(Duration::from_secs(10)));
    let mut io = Scripted::blocking(&[Gives(b"one\n"), NotReady, Gives(b"two\nrest")], &[]);
    let mut session = with_config(16, config);
    let mut serving = Box::pin(serve_at(&mut session, &mut io, &clock));
    assert!(poll(serving.as_mut()).is_pending());
    clock.set(9_000);
    assert!(
        poll(serving.as_mut()).is_pending(),
        "the second line is progress"
    );
    clock.set(18_999);
    assert!(poll(serving.as_mut()).is_pending());
    clock.set(19_000);
    assert_eq!(poll(serving.as_mut()), Poll::Ready(Reason::Idle));
    drop(serving);
    assert_eq!(io.output, b"one\ntwo\n");
}

#[test]
fn the_write_deadline_ends_a_pending_write() {
    let clock = Clock::default();
    let config = Config::new()
        .idle_timeout(Some(Duration::from_secs(60)))
        .write_timeout(Some(Duration::from_secs(5)));
    let mut io = Scripted::blocking(&[Gives(b"one\n")], &[Takes(1), Never]);
    let mut session = with_config(16, config);
    let mut serving = Box::pin(serve_at(&mut session, &mut io, &clock));
    assert!(poll(serving.as_mut()).is_pending());
    clock.set(4_999);
    assert!(poll(serving.as_mut()).is_pending());
    clock.set(5_000);
    assert_eq!(poll(serving.as_mut()), Poll::Ready(Reason::WriteStalled));
    drop(serving);
    assert_eq!(io.output, b"o");
}

#[test]
fn progress_when_the_deadline_comes_counts() {
    let clock = Clock::default();
    let config = Config::new().idle_timeout(Some(Duration::from_secs(10)));
    let mut io = Scripted::blocking(&[NotReady, Gives(b"in time\n"), NotReady, Zero], &[]);
    let mut session = with_config(16, config);
    let mut serving = Box::pin(serve_at(&mut session, &mut io, &clock));
    assert!(poll(serving.as_mut()).is_pending());
    clock.set(10_000);
    assert!(poll(serving.as_mut()).is_pending());
    assert_eq!(poll(serving.as_mut()), Poll::Ready(Reason::PeerClosed));
    drop(serving);
    assert_eq!(io.output, b"in time\n");
}

/// The number of reads that a session makes in each poll, over a transport that is always ready.
fn reads_in_a_poll(step: Step, budget: Option<usize>) -> usize {
    let steps = vec![step; 100_000];
    let mut io = Scripted::blocking(&steps, &[]);
    let mut session = session();
    {
        let clock = Clock::default();
        let mut serving = pin!(serve_with(&mut session, &mut io, budget, &clock));
        let woken = Arc::new(Woken::default());
        let waker = Waker::from(Arc::clone(&woken));
        for polls in 1..=3 {
            let poll = serving.as_mut().poll(&mut Context::from_waker(&waker));
            assert!(poll.is_pending());
            assert_eq!(woken.0.load(Ordering::Relaxed), polls, "it wakes itself");
        }
    }
    assert_eq!(io.reads() % 3, 0);
    io.reads() / 3
}

#[derive(Default)]
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn a_turn_has_a_budget_over_a_transport_that_is_always_ready() {
    let budget = session().turn_budget();
    assert_eq!(budget, 128);
    assert_eq!(reads_in_a_poll(Interrupted, None), budget);
    assert_eq!(reads_in_a_poll(Gives(b"xxxxxxxx"), Some(80)), 8);
    // Each line is a read of one byte, a write and a flush.
    assert_eq!(reads_in_a_poll(Gives(b"\n"), Some(9)), 3);
    assert_eq!(reads_in_a_poll(Gives(b"x"), Some(0)), 1);
}

/// A timer that runs ahead of the clock must not keep others from their turn.
#[test]
fn a_deadline_that_comes_too_early_is_waited_for_again() {
    let config = Config::new().idle_timeout(Some(Duration::from_secs(10)));
    let mut io = Scripted::blocking(&[Never], &[]);
    let mut session = with_config(8, config);
    let mut sleeps = 0;
    let at_once = async |_| sleeps += 1;
    {
        let serving = asynchronous::serve(&mut session, &mut io, || Instant::ZERO, at_once);
        let mut serving = pin!(serving);
        assert!(poll(serving.as_mut()).is_pending());
        assert!(poll(serving.as_mut()).is_pending());
    }
    assert!(sleeps > 0);
}

#[test]
fn a_failed_read_ends_the_session_and_a_reset_does() {
    for (kind, reason) in [
        (ErrorKind::TimedOut, Reason::Failed(ErrorKind::TimedOut)),
        (ErrorKind::ConnectionReset, Reason::Reset),
    ] {
        let reads = [Gives(b"one\nunfinished"), Fails(kind)];
        let mut io = Scripted::blocking(&reads, &[]);
        let mut session = with_config(32, Config::new());
        assert_eq!(run(serve(&mut session, &mut io)), reason);
        assert_eq!((&io.output[..], session.held()), (&b"one\n"[..], 0));
    }
}
