//! Schedules of a probe, compared with two plain queues.

use core::time::Duration;
use std::collections::VecDeque;

use arbitrary::Unstructured;
use linecho_core::{Instant, Position, Probe, ProbeError, QueueFull};

const WINDOW: usize = 4;

/// Plays a schedule of lines queued, sent and coming back, right or wrong, that follows from
/// `input`.
pub fn probe(input: &[u8]) {
    // It cannot fail: the input only ends.
    let _ = play(&mut Unstructured::new(input));
}

struct Tested {
    probe: Probe<Vec<u8>, WINDOW>,
    now: u64,
    /// Bytes that were sent and have not come back, and those that were queued and not sent.
    sent: VecDeque<u8>,
    queued: VecDeque<u8>,
    /// When the last byte of each line went that is in flight.
    sent_at: VecDeque<u64>,
    /// Lines that have come back, and bytes of the next one that have.
    lines: u64,
    into_line: u64,
    bytes: u64,
    /// The last line queued lacks its end.
    unfinished: bool,
}

fn play(input: &mut Unstructured<'_>) -> arbitrary::Result<()> {
    let capacity = usize::from(input.arbitrary::<u8>()? % 40) + 1;
    let mut tested = Tested {
        probe: Probe::new(vec![b'?'; capacity]),
        now: 0,
        sent: VecDeque::new(),
        queued: VecDeque::new(),
        sent_at: VecDeque::new(),
        lines: 0,
        into_line: 0,
        bytes: 0,
        unfinished: false,
    };
    while !input.is_empty() {
        let step: u8 = input.arbitrary()?;
        let size = usize::from(step >> 3);
        match step & 7 {
            0 | 1 => {
                let bytes = input.bytes(size.min(input.len()))?;
                tested.queue(bytes, step & 1 == 0);
            }
            2 => tested.send(size + 1),
            3 => tested.now += size as u64,
            4 => tested.receive(size + 1),
            5 => tested.receive(usize::MAX),
            6 => {
                let wrong: u8 = input.arbitrary()?;
                if tested.receive_wrong(size, wrong) {
                    return Ok(());
                }
            }
            _ => tested.exchange(size * 2),
        }
        tested.check();
    }
    tested.send(usize::MAX);
    tested.receive(usize::MAX);
    assert!(tested.probe.is_done());
    assert_eq!(tested.probe.end_of_input(), Ok(()));
    Ok(())
}

impl Tested {
    /// Queues a piece of a line; a newline stands at its end or nowhere.
    fn queue(&mut self, bytes: &[u8], ends: bool) {
        let mut piece: Vec<u8> = bytes.iter().copied().filter(|&it| it != b'\n').collect();
        piece.extend(ends.then_some(b'\n'));
        let room = self.probe.room();
        let result = self.probe.queue(&piece);
        if piece.is_empty() {
            assert_eq!(result, Ok(()));
            return;
        }
        assert_eq!(result, (piece.len() <= room).then_some(()).ok_or(QueueFull));
        if result.is_ok() {
            if !self.unfinished {
                self.sent_at.push_back(u64::MAX);
            }
            self.unfinished = !ends;
            self.queued.extend(piece);
        }
    }

    fn send(&mut self, most: usize) {
        self.probe.sent(most, Instant::from_millis(self.now));
        let n = most.min(self.queued.len());
        let lines = |bytes: &VecDeque<u8>| bytes.iter().filter(|&&it| it == b'\n').count();
        let before = lines(&self.sent);
        self.sent.extend(self.queued.drain(..n));
        let all = self.queued.is_empty() && self.unfinished;
        let whole = lines(&self.sent) + usize::from(all);
        for at in self.sent_at.iter_mut().take(whole).skip(before) {
            // The last piece of an unfinished line counts.
            *at = self.now;
        }
    }

    fn receive(&mut self, most: usize) {
        let bytes: Vec<u8> = self.sent.iter().take(most).copied().collect();
        let mut times = vec![];
        self.take_back(&bytes, &mut times).unwrap();
        let expected: Vec<Duration> = self.came_back(bytes.len());
        assert_eq!(times, expected);
    }

    /// Passes what came back to the probe, one line at a time.
    fn take_back(&mut self, mut bytes: &[u8], times: &mut Vec<Duration>) -> Result<(), ProbeError> {
        let now = Instant::from_millis(self.now);
        while !bytes.is_empty() {
            let echo = self.probe.received(bytes, now)?;
            assert!((1..=bytes.len()).contains(&echo.consumed));
            bytes = &bytes[echo.consumed..];
            times.extend(echo.round_trip);
        }
        Ok(())
    }

    /// Takes note that so many bytes have come back, and returns the round-trip times.
    fn came_back(&mut self, n: usize) -> Vec<Duration> {
        let mut times = vec![];
        for byte in self.sent.drain(..n) {
            self.bytes += 1;
            self.into_line += 1;
            if byte == b'\n' {
                self.lines += 1;
                self.into_line = 0;
                let at = self.sent_at.pop_front().unwrap();
                times.push(Duration::from_millis(self.now - at));
            }
        }
        times
    }

    /// After `right` bytes one comes back that is perhaps another. Returns true if it was: the
    /// probe is of no more use then.
    fn receive_wrong(&mut self, right: usize, wrong: u8) -> bool {
        let mut bytes: Vec<u8> = self.sent.iter().take(right).copied().collect();
        let expected = self.sent.get(bytes.len()).copied();
        bytes.push(wrong);
        let result = self.take_back(&bytes, &mut vec![]);
        if expected == Some(wrong) {
            assert_eq!(result, Ok(()));
            self.came_back(bytes.len());
            return false;
        }
        self.came_back(bytes.len() - 1);
        let position = self.position();
        assert_eq!(
            result,
            Err(match expected {
                Some(expected) => ProbeError::Mismatch {
                    position,
                    expected,
                    got: wrong,
                },
                None => ProbeError::Unsent {
                    position,
                    got: wrong,
                },
            })
        );
        true
    }

    fn position(&self) -> Position {
        Position {
            line: self.lines + 1,
            byte: self.into_line + 1,
        }
    }

    fn exchange(&mut self, length: usize) {
        let fits = self.sent.len() + self.queued.len() <= length;
        let result = self.probe.replace_storage(vec![b'?'; length]);
        assert_eq!(result.is_ok(), fits);
    }

    fn check(&self) {
        let Self {
            probe,
            sent,
            queued,
            ..
        } = self;
        assert!(probe.expected().iter().eq(sent));
        assert!(probe.output().iter().eq(queued));
        let held = sent.len() + queued.len();
        assert!(held <= probe.capacity(), "bounded");
        assert!(probe.room() <= probe.capacity() - held);
        assert_eq!(probe.is_done(), held == 0);
        assert_eq!((probe.lines(), probe.bytes()), (self.lines, self.bytes));
        assert_eq!(probe.position(), self.position());
        let missing = match held as u64 {
            0 => Ok(()),
            bytes => Err(ProbeError::Missing {
                position: self.position(),
                bytes,
            }),
        };
        assert_eq!(probe.end_of_input(), missing);
    }
}
