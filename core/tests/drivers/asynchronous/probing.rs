//! What a probe sends, and what comes back to it.

use core::pin::pin;
use core::time::Duration;

use super::{Clock, poll, receive, run, send};
use crate::scripted::{Scripted, Step, Step::*};
use linecho_core::embedded_io::ErrorKind;
use linecho_core::{Instant, Position, Probe, ProbeError};

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
