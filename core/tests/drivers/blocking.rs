//! The blocking drivers against scripted transports.

use core::time::Duration;

use crate::scripted::{Scripted, Step, Step::*};
use linecho_core::blocking::{self, serve};
use linecho_core::embedded_io::ErrorKind;
use linecho_core::transport::NoFlush;
use linecho_core::{
    Config, Instant, LongLines, Position, Probe, ProbeError, Reason, Session, polled,
};

fn session(capacity: usize, config: Config) -> Session<Vec<u8>> {
    Session::new(vec![0; capacity], config, Instant::ZERO)
}

/// Serves a session of 8 bytes.
fn served(reads: &[Step], writes: &[Step]) -> (Reason, Vec<u8>) {
    let mut io = Scripted::blocking(reads, writes);
    let mut session = session(8, Config::new());
    (serve(&mut session, &mut io), io.output)
}

#[test]
fn lines_and_the_rest_go_back() {
    let reads = [
        Gives(b"on"),
        Gives(b"e\nlonger than the buffer\ntw"),
        Gives(b"o"),
        Zero,
    ];
    let expected = b"one\nlonger than the buffer\ntwo".to_vec();
    assert_eq!(served(&reads, &[]), (Reason::PeerClosed, expected.clone()));
    let one_by_one = vec![Takes(1); 100];
    assert_eq!(served(&reads, &one_by_one), (Reason::PeerClosed, expected));
    assert_eq!(served(&[Zero], &[]), (Reason::PeerClosed, vec![]));
}

#[test]
fn a_line_is_written_before_the_next_read() {
    // The transport fails the test if it is read again: it has nothing more.
    let reads = [Gives(b"one\n"), Fails(ErrorKind::TimedOut)];
    assert_eq!(
        served(&reads, &[]),
        (Reason::Failed(ErrorKind::TimedOut), b"one\n".to_vec())
    );
}

#[test]
fn interruptions_are_tried_again() {
    let reads = [Interrupted, Gives(b"one\n"), Interrupted, Interrupted, Zero];
    let writes = [Interrupted, Takes(1), Interrupted];
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
fn close_ends_after_the_lines_before() {
    let mut io = Scripted::blocking(&[Gives(b"a\nb\n"), Gives(b"much too long")], &[]);
    let config = Config::new().long_lines(LongLines::Close);
    let mut session = session(8, config);
    assert_eq!(serve(&mut session, &mut io), Reason::LineTooLong);
    assert_eq!(io.output, b"a\nb\n");
}

#[test]
fn a_session_without_storage_ends() {
    let mut io = Scripted::blocking(&[Gives(b"one\n")], &[]);
    let mut session = session(0, Config::new());
    let reason = serve(&mut session, &mut io);
    assert_eq!(reason, Reason::Failed(ErrorKind::OutOfMemory));
    assert_eq!(io.calls, 0);
}

/// The transport fails the test if it is read while it holds something back.
#[test]
fn what_was_written_is_flushed_once_before_a_wait() {
    let lines = b"a line\n".repeat(100);
    let reads = [
        Gives(lines.leak()),
        Gives(b"unfinished"),
        Gives(b"\n"),
        Gives(b"rest"),
        Zero,
    ];
    let mut io = Scripted::blocking(&reads, &[]).flushing(&[Interrupted]);
    let mut session = session(1024, Config::new());
    assert_eq!(serve(&mut session, &mut io), Reason::PeerClosed);
    assert!(!io.holds_back(), "the end is flushed, too");
    assert_eq!(io.written_and_flushed, (3, 3));
}

/// The transport fails the test if it is read while it holds something back.
#[test]
fn what_another_driver_left_is_flushed_first() {
    let reads = [Gives(b"one\n"), NotReady, Zero];
    let mut io = Scripted::polled(&reads, &[]).flushing(&[Interrupted]);
    let mut session = session(8, Config::new());
    polled::serve(&mut session, &mut io, Instant::ZERO, 8);
    assert!(io.holds_back());
    io.block();
    assert_eq!(serve(&mut session, &mut io), Reason::PeerClosed);
    assert!(!io.holds_back());
}

#[test]
fn a_flush_that_fails_ends_the_session() {
    for (kind, reason) in [
        (ErrorKind::BrokenPipe, Reason::Reset),
        (ErrorKind::TimedOut, Reason::Failed(ErrorKind::TimedOut)),
    ] {
        let mut io = Scripted::blocking(&[Gives(b"one\n"), Zero], &[]).flushing(&[Fails(kind)]);
        let mut session = session(8, Config::new());
        assert_eq!(serve(&mut session, &mut io), reason);
    }
}

#[test]
fn the_caller_can_choose_not_to_flush() {
    let mut io = Scripted::blocking(&[Gives(b"one\n"), Zero], &[]).holding_back();
    let mut session = session(8, Config::new());
    assert_eq!(
        serve(&mut session, &mut NoFlush(&mut io)),
        Reason::PeerClosed
    );
    assert_eq!(io.written_and_flushed, (1, 0));
}

fn probe(lines: &[&[u8]]) -> Probe<[u8; 64], 4> {
    let mut probe = Probe::new([0; 64]);
    for line in lines {
        probe.queue(line).unwrap();
    }
    probe
}

fn send(
    probe: &mut Probe<[u8; 64], 4>,
    io: &mut Scripted,
    clock: &mut dyn FnMut() -> Instant,
) -> Result<(), ProbeError> {
    blocking::send(probe, io, clock)
}

fn receive(
    probe: &mut Probe<[u8; 64], 4>,
    io: &mut Scripted,
    scratch: &mut [u8],
    clock: &mut dyn FnMut() -> Instant,
    on_line: &mut dyn FnMut(Duration),
) -> Result<(), ProbeError> {
    blocking::receive(probe, io, scratch, clock, on_line)
}

/// A clock that advances by 10 ms each time it is read.
fn clock() -> impl FnMut() -> Instant {
    let mut millis = 0;
    move || {
        millis += 10;
        Instant::from_millis(millis)
    }
}

#[test]
fn a_probe_sends_all_and_receives_all() {
    let reads = [Interrupted, Gives(b"one\ntw"), Gives(b"o\n")];
    let mut io = Scripted::blocking(&reads, &[Takes(1), Interrupted, Takes(5), Takes(2)]);
    let mut probe = probe(&[b"one\n", b"two\n"]);
    let mut clock = clock();
    send(&mut probe, &mut io, &mut clock).unwrap();
    assert_eq!(io.output, b"one\ntwo\n");
    assert_eq!(io.written_and_flushed, (3, 1));
    send(&mut probe, &mut io, &mut clock).unwrap();
    assert_eq!(io.written_and_flushed, (3, 1), "nothing was written");
    let mut times = Vec::new();
    receive(&mut probe, &mut io, &mut [0; 8], &mut clock, &mut |time| {
        times.push(time);
    })
    .unwrap();
    // Last bytes sent at 20 and 30 ms, come back at 40 and 50 ms.
    assert_eq!(times, [Duration::from_millis(20); 2]);
    receive(&mut probe, &mut io, &mut [0; 8], &mut clock, &mut |_| {}).unwrap();
    assert!(io.is_read_out(), "nothing is read when nothing is to come");
}

#[test]
fn a_probe_says_what_is_wrong_and_where() {
    let received = |reads: &[Step]| {
        let mut io = Scripted::blocking(reads, &[]);
        let mut probe = probe(&[b"one\n", b"two\n"]);
        send(&mut probe, &mut io, &mut clock()).unwrap();
        receive(&mut probe, &mut io, &mut [0; 8], &mut clock(), &mut |_| {})
    };
    let position = |line, byte| Position { line, byte };
    assert_eq!(
        received(&[Gives(b"one\n\n")]),
        Err(ProbeError::Mismatch {
            position: position(2, 1),
            expected: b't',
            got: b'\n'
        })
    );
    assert_eq!(
        received(&[Gives(b"one\n"), Gives(b"two\n!")]),
        Err(ProbeError::Unsent {
            position: position(3, 1),
            got: b'!'
        })
    );
    assert_eq!(
        received(&[Zero]),
        Err(ProbeError::Missing {
            position: position(1, 1),
            bytes: 8
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
    assert_eq!(
        send(&mut probe, &mut io, &mut clock()),
        failed(ErrorKind::WriteZero)
    );
    assert_eq!(
        send(&mut probe, &mut io, &mut clock()),
        failed(ErrorKind::BrokenPipe)
    );
    let mut io = Scripted::blocking(&[], &[]).flushing(&[Fails(ErrorKind::TimedOut)]);
    assert_eq!(
        send(&mut probe, &mut io, &mut clock()),
        failed(ErrorKind::TimedOut)
    );
    let result = receive(&mut probe, &mut io, &mut [], &mut clock(), &mut |_| {});
    assert_eq!(result, failed(ErrorKind::InvalidInput));
}
