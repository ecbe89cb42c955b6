//! Questions about the end of connections, and about what a connection is.

use std::thread;
use std::time::{Duration, Instant};

use super::Check;
use super::pattern::{LINE, Pattern, whole_lines};
use super::row::{Grade, Question, Row};
use super::wire::{End, Trouble};
use crate::identity::BEGIN;

/// Bytes that are on their way when the client shuts down: a few that fit into any buffers, which
/// are quick, and more than most paths take, which leave no chance.
const IN_FLIGHT: [u64; 4] = [128 << 10, 128 << 10, 128 << 10, 16 << 20];

impl Check {
    /// Sends a line and a rest without newline, and shuts down.
    pub(super) fn half_close(&self) -> Row {
        let question = Question::HalfClose;
        let result = self.wire().and_then(|mut wire| {
            wire.echo(b"a whole line\n")?;
            wire.send(b"y")?;
            wire.half_close()?;
            Ok(wire.read_to_end(16))
        });
        let (came, end) = match result {
            Ok(came) => came,
            Err(trouble) => return Row::trouble(question, &trouble),
        };
        match (&*came, end) {
            (b"y", _) => Row::new(question, Grade::Good, "passed on")
                .found("the unterminated rest came back"),
            (b"", End::Never) => Row::new(question, Grade::Bad, "swallowed").found(format!(
                "neither the unterminated rest nor an end came within {:?}",
                self.patience
            )),
            (b"", end) => Row::new(question, Grade::Bad, "dropped").found(format!(
                "the unterminated rest did not come back, and {end}"
            )),
            _ => Row::trouble(
                question,
                &Trouble::Wrong {
                    expected: b"y".to_vec(),
                    came,
                },
            ),
        }
    }

    /// Sends lines and shuts down at once, while they are on their way back. A relay that ends
    /// both directions loses what it has not passed on yet: with few lines by race, and on a full
    /// path for certain.
    pub(super) fn in_flight(&self) -> Row {
        let question = Question::InFlight;
        let mut taken = 0;
        for most in IN_FLIGHT {
            let (came, due, end) = match self.shut_down_early(most) {
                Ok(lines) => {
                    taken = taken.max(lines);
                    continue;
                }
                Err(Trouble::Short { came, due, end }) => (came.len() as u64, due, end),
                Err(trouble) => return Row::trouble(question, &trouble),
            };
            let lost = due - came;
            let verdict = if lost < LINE { "tail lost" } else { "lost" };
            return Row::new(question, Grade::Bad, verdict)
                .figure(lost as f64, "bytes")
                .found(format!(
                    "the last {lost} of {due} bytes did not come back, and {end}"
                ));
        }
        Row::new(question, Grade::Good, "all comes back").figure(taken as f64, "bytes")
    }

    /// Returns how many bytes of whole lines the path took and gave back.
    fn shut_down_early(&self, most: u64) -> Result<u64, Trouble> {
        let mut wire = self.wire()?;
        let most = most.min(self.most_buffered).min(self.bytes_left());
        let lines = whole_lines(self.fill(&mut wire, most)?);
        wire.half_close()?;
        // What is read at once may be off the way before the relay sees the end.
        thread::sleep(Duration::from_millis(100));
        wire.verify(Pattern, 0, lines)?;
        Ok(lines)
    }

    /// Shuts down when all lines are back.
    pub(super) fn ending(&self) -> Row {
        let question = Question::Ending;
        let result = self.wire().and_then(|mut wire| {
            wire.echo(b"the only line\n")?;
            wire.half_close()?;
            Ok(wire.read_to_end(16))
        });
        match result {
            Ok((came, end)) if came.is_empty() => match end {
                End::Fin => Row::new(question, Grade::Good, "FIN"),
                End::Reset => Row::new(question, Grade::Poor, "RST")
                    .found("after our half-close it was reset rather than closed"),
                End::Never => Row::new(question, Grade::Bad, "never")
                    .found(format!("no end came within {:?}", self.patience)),
            },
            Ok((came, _)) => Row::trouble(
                question,
                &Trouble::Wrong {
                    expected: Vec::new(),
                    came,
                },
            ),
            Err(trouble) => Row::trouble(question, &trouble),
        }
    }

    /// Sends lines in two halves: a server that takes over in between does not know the first.
    pub(super) fn one_server(&self) -> Row {
        let question = Question::OneServer;
        let mut wire = match self.wire() {
            Ok(wire) => wire,
            Err(trouble) => return Row::trouble(question, &trouble),
        };
        for number in 1..=20 {
            let halves = [
                format!("first half {number}, "),
                format!("second {number}\n"),
            ];
            let result = wire.send(halves[0].as_bytes()).and_then(|()| {
                thread::sleep(Duration::from_millis(20));
                wire.send(halves[1].as_bytes())?;
                wire.expect(halves.concat().as_bytes())
            });
            match result {
                Ok(()) => {}
                Err(Trouble::Wrong { came, .. }) if came.starts_with(BEGIN) => {
                    return Row::new(question, Grade::Bad, "another takes over")
                        .figure(f64::from(number), "lines")
                        .found(format!(
                            "before line {number} was back a server greeted once more: the connection \
                             goes on to another one"
                        ));
                }
                Err(Trouble::Wrong { came, .. })
                    if halves[1].as_bytes().starts_with(&came)
                        || came.starts_with(halves[1].as_bytes()) =>
                {
                    return Row::new(question, Grade::Bad, "another takes over")
                        .figure(f64::from(number), "lines")
                        .found(format!(
                            "of line {number} only the second half came back: the connection goes on to \
                             a server that does not have the first"
                        ));
                }
                Err(trouble) => return Row::trouble(question, &trouble),
            }
        }
        Row::new(question, Grade::Good, "the same").figure(20.0, "lines")
    }

    pub(super) fn idle_connection(&self, time: Duration) -> Row {
        let question = Question::Idle;
        let result = self.wire().and_then(|mut wire| {
            wire.echo(b"before\n")?;
            let began = Instant::now();
            let (came, end) = wire.read(1, time);
            match end {
                Some(End::Never) => wire.echo(b"after\n").map(|_| None),
                Some(end) => Ok(Some((began.elapsed(), end))),
                None => Err(Trouble::Wrong {
                    expected: Vec::new(),
                    came,
                }),
            }
        });
        match result {
            Ok(None) => Row::new(question, Grade::Good, "kept").figure(time.as_secs_f64(), "s"),
            Ok(Some((after, end))) => Row::new(question, Grade::Poor, "cut")
                .figure(after.as_secs_f64(), "s")
                .found(format!("{end} after {:.1} s", after.as_secs_f64())),
            Err(trouble) => Row::new(question, Grade::Poor, "lost")
                .figure(time.as_secs_f64(), "s")
                .found(format!("nothing told of its end; the next line: {trouble}")),
        }
    }
}
