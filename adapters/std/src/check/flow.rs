//! Questions about time and about bytes on their way.

use std::io::{ErrorKind, Write as _};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use super::Check;
use super::pattern::{Pattern, whole_lines};
use super::row::{Grade, Question, Row};
use super::wire::{End, Trouble, Wire};
use crate::client::cause::bytes;

/// A path that takes nothing for so long is full.
const FULL: Duration = Duration::from_millis(500);

impl Check {
    /// Compares lines in one write with lines in two, 1 ms apart: Nagle's algorithm on the way and
    /// a delayed acknowledgement hold the second piece back (RFC 9293, 3.7.4 and 3.8.6.3).
    pub(super) fn small_writes(&self) -> Row {
        let question = Question::SmallWrites;
        let medians = self.wire().and_then(|mut wire| {
            let one = median_of(|| wire.echo(b"one write\n"))?;
            let two = median_of(|| {
                wire.send(b"two ")?;
                thread::sleep(Duration::from_millis(1));
                wire.echo_rest(b"writes\n", b"two writes\n")
            })?;
            Ok((one, two))
        });
        let (one, two) = match medians {
            Ok(medians) => medians,
            Err(trouble) => return Row::trouble(question, &trouble),
        };
        let extra = two.saturating_sub(one).as_secs_f64() * 1e3;
        let (grade, verdict) = match extra {
            _ if extra < self.stall.as_secs_f64() * 1e3 => (Grade::Good, "no stall"),
            ..20.0 => (Grade::Poor, "short stall"),
            20.0..120.0 => (Grade::Poor, "stall of 40 ms"),
            120.0..300.0 => (Grade::Poor, "stall of 200 ms"),
            _ => (Grade::Poor, "stall"),
        };
        let found = format!(
            "median {:.3} ms in one write, {:.3} ms in two{}",
            one.as_secs_f64() * 1e3,
            two.as_secs_f64() * 1e3,
            match grade {
                Grade::Good => "",
                _ => ": a delayed acknowledgement on the way (a relay without TCP_NODELAY)",
            }
        );
        Row::new(question, grade, verdict)
            .figure(extra, "ms")
            .found(found)
    }

    /// Sends without reading until nothing more is taken, then reads everything back.
    pub(super) fn buffering(&self) -> Row {
        let question = Question::Buffering;
        let most = self.most_buffered.min(self.bytes_left());
        let result = self.wire().and_then(|mut wire| {
            let taken = self.fill(&mut wire, most)?;
            // The rest of the last line does not come back.
            wire.verify(Pattern, 0, whole_lines(taken))?;
            Ok(taken)
        });
        match result {
            Ok(taken) if taken >= most => Row::new(question, Grade::Poor, "without bounds")
                .figure(taken as f64, "bytes")
                .found("a client that reads nothing can fill a memory on the way"),
            Ok(taken) => Row::new(question, Grade::Good, "bounded")
                .figure(taken as f64, "bytes")
                .found("both ends' own buffers are in it"),
            Err(Trouble::Short {
                came,
                due,
                end: End::Never,
            }) => Row::new(question, Grade::Bad, "stuck")
                .figure(due as f64, "bytes")
                .found(format!(
                    "of {} that were sent before any was read {} came back, then nothing: \
                         something on the way waits to write while it should read",
                    bytes(due),
                    came.len()
                )),
            Err(trouble) => Row::trouble(question, &trouble),
        }
    }

    /// Sends without reading until nothing more is taken, at most about `most` bytes. Returns how
    /// many were taken.
    pub(super) fn fill(&self, wire: &mut Wire, most: u64) -> Result<u64, Trouble> {
        let mut taken = 0;
        let mut chunk = [0; 16 * 1024];
        wire.stream.set_write_timeout(Some(FULL))?;
        while taken < most && !wire.is_over() {
            Pattern.fill(taken, &mut chunk);
            match wire.stream.write(&chunk) {
                Ok(n) => taken += n as u64,
                Err(error) => match error.kind() {
                    ErrorKind::WouldBlock | ErrorKind::TimedOut => break,
                    ErrorKind::Interrupted => {}
                    _ => return Err(error.into()),
                },
            }
        }
        wire.count(taken);
        Ok(taken)
    }

    /// Round trips alone, and beside a connection that sends and reads as fast as it can.
    pub(super) fn latency(&self) -> Row {
        let question = Question::Latency;
        let result = self.wire().and_then(|mut wire| {
            let idle = median_of(|| wire.echo(b"how fast is it\n"))?;
            let mut busy = self.wire()?;
            let stop = AtomicBool::new(false);
            let filled = thread::scope(|scope| {
                scope.spawn(|| {
                    while !stop.load(Relaxed) {
                        if busy.stream(Pattern, 1 << 20).is_err() {
                            break;
                        }
                    }
                });
                let filled = median_of(|| wire.echo(b"how fast is it\n"));
                stop.store(true, Relaxed);
                filled
            })?;
            Ok((idle, filled))
        });
        match result {
            Ok((idle, filled)) => Row::new(question, Grade::Good, "measured")
                .figure(idle.as_secs_f64() * 1e3, "ms")
                .found(format!(
                    "median {:.3} ms idle, {:.3} ms beside a busy connection",
                    idle.as_secs_f64() * 1e3,
                    filled.as_secs_f64() * 1e3
                )),
            Err(trouble) => Row::trouble(question, &trouble),
        }
    }
}

impl Wire {
    /// Sends the rest of a line, and waits for all of it. Returns how long that took.
    fn echo_rest(&mut self, rest: &[u8], line: &[u8]) -> Result<Duration, Trouble> {
        let began = Instant::now();
        self.send(rest)?;
        self.expect(line)?;
        Ok(began.elapsed())
    }
}

/// The median of several, after some that do not count: a new connection acknowledges at once.
fn median_of(mut measure: impl FnMut() -> Result<Duration, Trouble>) -> Result<Duration, Trouble> {
    const UNCOUNTED: usize = 8;
    const COUNTED: usize = 11;
    for _ in 0..UNCOUNTED {
        measure()?;
    }
    let mut times = [Duration::ZERO; COUNTED];
    for time in &mut times {
        *time = measure()?;
    }
    times.sort_unstable();
    Ok(times[COUNTED / 2])
}
