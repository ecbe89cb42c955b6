//! When a session flushes what it wrote.

use core::future::poll_fn;
use core::pin::pin;
use core::task::Poll;
use core::time::Duration;

use super::{Clock, no_sleep, poll, run, serve, serve_at, session, with_config};
use crate::scripted::{Scripted, Step::*};
use embedded_io_async::{Read, Write};
use linecho_core::asynchronous;
use linecho_core::embedded_io::{ErrorKind, ErrorType};
use linecho_core::transport::NoFlush;
use linecho_core::{Config, Instant, LongLines, Reason};

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
