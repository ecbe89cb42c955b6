//! What a probe sends in a turn, and what comes back to it.

use core::time::Duration;

use super::{NOW, PLENTY};
use crate::scripted::{Scripted, Step, Step::*};
use linecho_core::embedded_io::ErrorKind;
use linecho_core::polled::{self, ProbeTurn};
use linecho_core::{Instant, Position, Probe, ProbeError};

/// Gives a probe a turn.
fn exchange(
    probe: &mut Probe<[u8; 64], 4>,
    io: &mut Scripted,
    now: Instant,
    budget: usize,
    on_line: &mut dyn FnMut(Duration),
) -> Result<ProbeTurn, ProbeError> {
    polled::exchange(probe, io, &mut [0; 8], now, budget, on_line)
}

/// Exchanges with `queued` sent and all of `reads` to come back.
fn probed(queued: &[&[u8]], reads: &[Step]) -> (Result<ProbeTurn, ProbeError>, Vec<u64>) {
    let mut io = Scripted::polled(reads, &[]);
    let mut probe = Probe::<_, 4>::new([0; 64]);
    for line in queued {
        probe.queue(line).unwrap();
    }
    let mut times = Vec::new();
    let mut note = |time: Duration| times.push(time.as_micros() as u64);
    let turn = exchange(&mut probe, &mut io, NOW, PLENTY, &mut note);
    assert_eq!(io.output, queued.concat());
    (turn, times)
}

fn position(line: u64, byte: u64) -> Position {
    Position { line, byte }
}

#[test]
fn a_probe_is_done_when_every_line_came_back() {
    let reads = [
        Gives(b"on"),
        Interrupted,
        Gives(b"e\nlonger than the scratch\n"),
    ];
    let (turn, times) = probed(&[b"one\n", b"longer than the scratch\n"], &reads);
    assert_eq!((turn, times.len()), (Ok(ProbeTurn::Done), 2));
    assert_eq!(probed(&[], &[]).0, Ok(ProbeTurn::Done));
}

#[test]
fn a_probe_says_what_is_wrong_and_where() {
    assert_eq!(
        probed(&[b"one\n", b"two\n"], &[Gives(b"one\ntwx\n")]),
        (
            Err(ProbeError::Mismatch {
                position: position(2, 3),
                expected: b'o',
                got: b'x'
            }),
            vec![0]
        )
    );
    assert_eq!(
        probed(&[b"one\n"], &[Gives(b"one\n!")]).0,
        Err(ProbeError::Unsent {
            position: position(2, 1),
            got: b'!'
        })
    );
    assert_eq!(
        probed(&[b"one\n", b"two\n"], &[Gives(b"one\nt"), Zero]).0,
        Err(ProbeError::Missing {
            position: position(2, 2),
            bytes: 3
        })
    );
    for reads in [
        [Fails(ErrorKind::ConnectionReset)],
        [FailsToAsk(ErrorKind::ConnectionReset)],
    ] {
        let error = ProbeError::Io(ErrorKind::ConnectionReset);
        assert_eq!(probed(&[b"one\n"], &reads).0, Err(error));
    }
}

#[test]
fn a_probe_takes_turns_and_measures_from_the_last_byte_sent() {
    let at = Instant::from_millis;
    let mut io = Scripted::polled(&[], &[Takes(3), NotReady]);
    let mut probe = Probe::<_, 4>::new([0; 64]);
    let mut times = Vec::new();
    let mut turn = |io: &mut Scripted, probe: &mut _, now, budget| {
        let mut note = |time: Duration| times.push(time.as_millis());
        exchange(probe, io, at(now), budget, &mut note)
    };
    probe.queue(b"one\n").unwrap();
    probe.queue(b"two\n").unwrap();
    assert_eq!(
        turn(&mut io, &mut probe, 1, PLENTY),
        Ok(ProbeTurn::Wait { write: true })
    );
    assert_eq!(
        turn(&mut io, &mut probe, 10, PLENTY),
        Ok(ProbeTurn::Wait { write: false })
    );
    io.arrives(Gives(b"one\ntwo\n"));
    assert_eq!(turn(&mut io, &mut probe, 12, 0), Ok(ProbeTurn::Again));
    assert_eq!(turn(&mut io, &mut probe, 15, 1), Ok(ProbeTurn::Done));
    assert_eq!(times, [5, 5]);
}

#[test]
fn a_probe_flushes_what_it_sent_once_before_a_wait() {
    let mut io = Scripted::polled(&[], &[]).flushing(&[Interrupted]);
    let mut probe = Probe::<_, 4>::new([0; 64]);
    let turn = |io: &mut Scripted, probe: &mut _| exchange(probe, io, NOW, PLENTY, &mut |_| {});
    probe.queue(b"one\n").unwrap();
    probe.queue(b"two\n").unwrap();
    for write in [true, false, false] {
        assert_eq!(turn(&mut io, &mut probe), Ok(ProbeTurn::Wait { write }));
        assert_eq!(io.holds_back(), write);
    }
    assert_eq!(io.written_and_flushed, (1, 1));

    let kind = ErrorKind::ConnectionReset;
    let mut io = Scripted::polled(&[], &[]).flushing(&[Fails(kind)]);
    probe.queue(b"three\n").unwrap();
    assert_eq!(turn(&mut io, &mut probe), Err(ProbeError::Io(kind)));
}

#[test]
fn a_probe_that_cannot_write_waits_or_fails() {
    let kind = ErrorKind::BrokenPipe;
    for failure in [Fails(kind), FailsToAsk(kind)] {
        let mut io = Scripted::polled(&[], &[Zero, failure]);
        let mut probe = Probe::<_, 4>::new([0; 64]);
        probe.queue(b"one\n").unwrap();
        let mut turn = || exchange(&mut probe, &mut io, NOW, PLENTY, &mut |_| {});
        assert_eq!(turn(), Ok(ProbeTurn::Wait { write: true }));
        assert_eq!(turn(), Err(ProbeError::Io(kind)));
    }
}

#[test]
fn a_probe_goes_on_after_interruptions() {
    let mut io = Scripted::polled(&[], &[Interrupted, Takes(2), Interrupted, Interrupted]);
    let mut probe = Probe::<_, 4>::new([0; 64]);
    probe.queue(b"one\n").unwrap();
    let turn = exchange(&mut probe, &mut io, NOW, 3, &mut |_| {});
    assert_eq!(turn, Ok(ProbeTurn::Wait { write: false }));
    assert_eq!(io.output, b"one\n");
}

#[test]
fn a_probe_turn_of_interruptions_ends() {
    let endless = vec![Interrupted; 1000];
    for (reads, writes) in [(&endless[..], &[][..]), (&[], &endless)] {
        let mut io = Scripted::polled(reads, writes);
        let mut probe = Probe::<_, 4>::new([0; 64]);
        probe.queue(b"one\n").unwrap();
        let turn = exchange(&mut probe, &mut io, NOW, 10, &mut |_| {});
        assert_eq!(turn, Ok(ProbeTurn::Again));
        assert!(io.calls <= 11, "{} calls", io.calls);
    }
}
