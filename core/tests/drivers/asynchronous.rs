//! The async drivers against scripted transports, on an executor of a few lines.

use core::cell::Cell;
use core::future::{Future, poll_fn};
use core::pin::{Pin, pin};
use core::task::{Context, Poll, Waker};
use core::time::Duration;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Wake;

use crate::scripted::{Scripted, Step, Step::*};
use embedded_io_async::{Read, Write};
use linecho_core::asynchronous;
use linecho_core::embedded_io::{ErrorKind, ErrorType};
use linecho_core::transport::NoFlush;
use linecho_core::{Config, Instant, LongLines, Position, Probe, ProbeError, Reason, Session};

fn poll<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// Polls to the end, whether woken or not.
pub(crate) fn run<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    for _ in 0..1000 {
        if let Poll::Ready(output) = poll(future.as_mut()) {
            return output;
        }
    }
    panic!("hangs");
}

/// A clock that is set by hand.
#[derive(Default)]
struct Clock(Cell<u64>);

impl Clock {
    fn set(&self, millis: u64) {
        self.0.set(millis);
    }

    fn now(&self) -> Instant {
        Instant::from_millis(self.0.get())
    }

    async fn sleep_until(&self, at: Instant) {
        poll_fn(|_| match self.now() >= at {
            true => Poll::Ready(()),
            false => Poll::Pending,
        })
        .await;
    }
}

pub(crate) async fn no_sleep(_: Instant) {
    panic!("a session without deadlines sleeps");
}

fn session() -> Session<Vec<u8>> {
    with_config(8, Config::new())
}

fn with_config(capacity: usize, config: Config) -> Session<Vec<u8>> {
    Session::new(vec![0; capacity], config, Instant::ZERO)
}

/// Serves a session, whose deadlines may not come.
async fn serve(session: &mut Session<Vec<u8>>, io: &mut Scripted) -> Reason {
    serve_with(session, io, None, &Clock::default()).await
}

async fn serve_at(session: &mut Session<Vec<u8>>, io: &mut Scripted, clock: &Clock) -> Reason {
    serve_with(session, io, None, clock).await
}

/// All tests call the driver here, with the same types, so that its coverage is that of all.
async fn serve_with(
    session: &mut Session<Vec<u8>>,
    io: &mut Scripted,
    budget: Option<usize>,
    clock: &Clock,
) -> Reason {
    let now = || clock.now();
    let sleep = async |at| clock.sleep_until(at).await;
    match budget {
        None => asynchronous::serve(session, io, now, sleep).await,
        Some(budget) => asynchronous::serve_with_budget(session, io, budget, now, sleep).await,
    }
}

async fn send(
    probe: &mut Probe<[u8; 64], 4>,
    io: &mut Scripted,
    clock: &mut dyn FnMut() -> Instant,
) -> Result<(), ProbeError> {
    asynchronous::send(probe, io, clock).await
}

async fn receive(
    probe: &mut Probe<[u8; 64], 4>,
    io: &mut Scripted,
    scratch: &mut [u8],
    clock: &mut dyn FnMut() -> Instant,
    on_line: &mut dyn FnMut(Duration),
) -> Result<(), ProbeError> {
    asynchronous::receive(probe, io, scratch, clock, on_line).await
}

fn served(reads: &[Step], writes: &[Step]) -> (Reason, Vec<u8>) {
    let mut io = Scripted::blocking(reads, writes);
    let mut session = session();
    let reason = run(serve(&mut session, &mut io));
    (reason, io.output)
}

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

#[test]
fn what_was_written_is_flushed_once_before_the_next_read() {
    let lines = b"a line\n".repeat(100);
    let reads = [
        Gives(lines.clone().leak()),
        NotReady,
        Gives(b"unfinished"),
        NotReady,
        Gives(b"\nmore\n"),
        Gives(b"ready at once\n"),
        Never,
    ];
    let mut io = Scripted::blocking(&reads, &[]);
    let mut session = with_config(1024, Config::new());
    let mut serving = Box::pin(serve(&mut session, &mut io));
    for _ in 0..5 {
        assert!(poll(serving.as_mut()).is_pending());
    }
    drop(serving);
    assert!(!io.holds_back());
    assert_eq!(io.written_and_flushed, (3, 3));
}

/// A transport that has taken in half of what it reads before it waits, like one that reads
/// records: what it has taken in is lost when the read is dropped.
struct Halfway {
    arrives: &'static [u8],
    output: Vec<u8>,
}

impl ErrorType for Halfway {
    type Error = ErrorKind;
}

impl Read for Halfway {
    async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, ErrorKind> {
        let Some((&byte, rest)) = self.arrives.split_first() else {
            return Ok(0);
        };
        self.arrives = rest;
        let mut waited = false;
        poll_fn(|_| match std::mem::replace(&mut waited, true) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        })
        .await;
        buffer[0] = byte;
        Ok(1)
    }
}

impl Write for Halfway {
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, ErrorKind> {
        self.output.extend(bytes);
        Ok(bytes.len())
    }

    async fn flush(&mut self) -> Result<(), ErrorKind> {
        Ok(())
    }
}

#[test]
fn a_read_that_waits_is_not_dropped_to_flush() {
    let text = b"one\ntwo\nrest";
    let (arrives, output) = (&text[..], Vec::new());
    let mut io = Halfway { arrives, output };
    let mut session = session();
    let serving = asynchronous::serve(&mut session, &mut io, || Instant::ZERO, no_sleep);
    let reason = run(serving);
    assert_eq!((reason, &io.output[..]), (Reason::PeerClosed, &text[..]));
}

#[test]
fn a_flush_that_was_interrupted_or_dropped_is_made_again() {
    let mut io = Scripted::blocking(&[Gives(b"one\n")], &[]).flushing(&[Interrupted, NotReady]);
    let mut session = session();
    for _ in 0..2 {
        let mut serving = pin!(serve(&mut session, &mut io));
        assert!(poll(serving.as_mut()).is_pending());
    }
    assert!(!io.holds_back());
}

#[test]
fn the_end_is_reported_when_everything_is_flushed() {
    let mut io = Scripted::blocking(&[Gives(b"one\ntwo"), Zero], &[]).flushing(&[NotReady]);
    let mut session = session();
    {
        let mut serving = pin!(serve(&mut session, &mut io));
        assert!(poll(serving.as_mut()).is_pending());
        assert_eq!(poll(serving.as_mut()), Poll::Ready(Reason::PeerClosed));
    }
    assert_eq!(io.output, b"one\ntwo");
    assert!(!io.holds_back());

    let mut io = Scripted::blocking(&[Gives(b"one\n"), Zero], &[])
        .flushing(&[Fails(ErrorKind::ConnectionReset)]);
    let reason = run(serve(&mut self::session(), &mut io));
    assert_eq!(reason, Reason::Reset);
}

#[test]
fn the_write_deadline_ends_a_pending_flush() {
    let clock = Clock::default();
    let config = Config::new()
        .idle_timeout(Some(Duration::from_secs(60)))
        .write_timeout(Some(Duration::from_secs(5)));
    let mut io = Scripted::blocking(&[Gives(b"one\n"), Never], &[]).flushing(&[Never]);
    let mut session = with_config(16, config);
    let mut serving = Box::pin(serve_at(&mut session, &mut io, &clock));
    assert!(poll(serving.as_mut()).is_pending());
    clock.set(4_999);
    assert!(poll(serving.as_mut()).is_pending());
    clock.set(5_000);
    assert_eq!(poll(serving.as_mut()), Poll::Ready(Reason::WriteStalled));
}

#[test]
fn the_caller_can_choose_not_to_flush() {
    let mut io = Scripted::blocking(&[Gives(b"one\n"), NotReady, Zero], &[]);
    let mut session = session();
    let mut unflushed = NoFlush(&mut io);
    let serving = asynchronous::serve(&mut session, &mut unflushed, || Instant::ZERO, no_sleep);
    let reason = run(serving);
    assert_eq!(
        (reason, io.written_and_flushed),
        (Reason::PeerClosed, (1, 0))
    );
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

/// A peer that never stops sending would else keep its own answer in the transport's buffer.
#[test]
fn what_was_written_is_flushed_before_others_have_their_turn() {
    let config = Config::new().long_lines(LongLines::Discard);
    let mut steps = vec![Gives(b"xxxxxxxx"); 1000];
    steps.insert(0, Gives(b"one\n"));
    let mut io = Scripted::blocking(&steps, &[]).flushing(&[Interrupted]);
    let mut session = with_config(8, config);
    {
        let mut serving = pin!(serve(&mut session, &mut io));
        assert!(poll(serving.as_mut()).is_pending());
        assert!(poll(serving.as_mut()).is_pending());
    }
    assert!(!io.holds_back());
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

fn probe(lines: &[&[u8]]) -> Probe<[u8; 64], 4> {
    let mut probe = Probe::new([0; 64]);
    for line in lines {
        probe.queue(line).unwrap();
    }
    probe
}

#[test]
fn a_probe_sends_all_and_receives_all() {
    let clock = Clock::default();
    let mut now = || {
        clock.set(clock.0.get() + 10);
        clock.now()
    };
    let reads = [
        NotReady,
        Interrupted,
        Gives(b"one\ntw"),
        NotReady,
        Gives(b"o\n"),
    ];
    let mut io = Scripted::blocking(
        &reads,
        &[Takes(1), NotReady, Interrupted, Takes(5), Takes(2)],
    );
    let mut probe = probe(&[b"one\n", b"two\n"]);
    run(send(&mut probe, &mut io, &mut now)).unwrap();
    assert_eq!(io.output, b"one\ntwo\n");
    assert_eq!(io.written_and_flushed, (3, 1));
    let mut times = Vec::new();
    run(receive(
        &mut probe,
        &mut io,
        &mut [0; 8],
        &mut now,
        &mut |time| {
            times.push(time);
        },
    ))
    .unwrap();
    // Last bytes sent at 20 and 30 ms, come back at 40 and 50 ms.
    assert_eq!(times, [Duration::from_millis(20); 2]);
}

#[test]
fn a_probe_flushes_what_it_sent_again_if_that_was_dropped() {
    let flushes = [Interrupted, NotReady];
    let mut io = Scripted::blocking(&[], &[]).flushing(&flushes);
    let mut probe = probe(&[b"one\n"]);
    {
        let mut now = || Instant::ZERO;
        let mut sending = pin!(send(&mut probe, &mut io, &mut now));
        assert!(poll(sending.as_mut()).is_pending(), "interrupted");
        assert!(poll(sending.as_mut()).is_pending());
    }
    run(send(&mut probe, &mut io, &mut || Instant::ZERO)).unwrap();
    assert!(!io.holds_back());
    run(send(&mut probe, &mut io, &mut || Instant::ZERO)).unwrap();
    assert_eq!(io.written_and_flushed, (1, 1));
}

#[test]
fn a_probe_says_what_is_wrong_and_where() {
    let received = |reads: &[Step]| {
        let mut io = Scripted::blocking(reads, &[]);
        let mut probe = probe(&[b"one\n", b"two\n"]);
        run(send(&mut probe, &mut io, &mut || Instant::ZERO)).unwrap();
        run(receive(
            &mut probe,
            &mut io,
            &mut [0; 8],
            &mut || Instant::ZERO,
            &mut |_| {},
        ))
    };
    let position = |line, byte| Position { line, byte };
    assert_eq!(
        received(&[Gives(b"one\nt"), NotReady, Gives(b"w0")]),
        Err(ProbeError::Mismatch {
            position: position(2, 3),
            expected: b'o',
            got: b'0'
        })
    );
    assert_eq!(
        received(&[Gives(b"one\n"), Gives(b"two\n?")]),
        Err(ProbeError::Unsent {
            position: position(3, 1),
            got: b'?'
        })
    );
    assert_eq!(
        received(&[Gives(b"one\ntwo"), Zero]),
        Err(ProbeError::Missing {
            position: position(2, 4),
            bytes: 1
        })
    );
    let kind = ErrorKind::ConnectionReset;
    assert_eq!(received(&[Fails(kind)]), Err(ProbeError::Io(kind)));
}

#[test]
fn a_probe_that_cannot_write_or_has_no_scratch_fails() {
    let mut probe = probe(&[b"one\n"]);
    let mut io = Scripted::blocking(&[], &[Zero, Fails(ErrorKind::BrokenPipe)]);
    let failed = |kind| Err(ProbeError::Io(kind));
    let mut now = || Instant::ZERO;
    assert_eq!(
        run(send(&mut probe, &mut io, &mut now)),
        failed(ErrorKind::WriteZero)
    );
    assert_eq!(
        run(send(&mut probe, &mut io, &mut now)),
        failed(ErrorKind::BrokenPipe)
    );
    let result = run(receive(&mut probe, &mut io, &mut [], &mut now, &mut |_| {}));
    assert_eq!(result, failed(ErrorKind::InvalidInput));
}
