//! The client half of one connection.

use core::time::Duration;

use heapless::Deque;

use crate::buffer::Buffer;
use crate::{Instant, Place, ProbeError, QueueFull};

/// The client half of one connection: sends lines, and checks every byte that comes back.
///
/// Like a [`Session`](crate::Session) it does no I/O and reads no clock. Lines are
/// [queued](Self::queue) while there is room for their bytes in the storage `S` and fewer than
/// `WINDOW` lines are in flight; a byte stays in the storage until it has come back.
///
/// ```
/// use linecho_core::{Instant, Probe};
///
/// let mut probe = Probe::<_, 4>::new([0; 64]);
/// probe.queue(b"hello\n").unwrap();
/// assert_eq!(probe.output(), b"hello\n");
/// probe.sent(6, Instant::from_millis(10));
///
/// let echo = probe.received(b"hello\n", Instant::from_millis(12)).unwrap();
/// assert_eq!(echo.consumed, 6);
/// assert_eq!(echo.round_trip.unwrap().as_millis(), 2);
/// assert!(probe.is_done());
/// ```
#[derive(Clone, Debug)]
pub struct Probe<S, const WINDOW: usize> {
    // Front: sent, not yet come back. Back: queued, not yet sent.
    buffer: Buffer<S>,
    in_flight: Deque<InFlight, WINDOW>,
    /// How many of `in_flight`, from the oldest, have been sent whole.
    sent_lines: usize,
    /// The last line queued still lacks its `\n`.
    unfinished: bool,
    /// Stream positions, in bytes from the beginning of the connection.
    queued: u64,
    sent: u64,
    returned: u64,
    line_start: u64,
    /// Lines that came back whole.
    lines: u64,
    /// Lines looked at when bytes were sent, ever: tests prove by it that work is linear.
    #[cfg(test)]
    looked_at: u64,
}

#[derive(Clone, Copy, Debug)]
struct InFlight {
    /// The stream position behind the line's last byte.
    end: u64,
    /// When its last byte was sent.
    sent_at: Instant,
}

/// What [`Probe::received`] made of some bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Echo {
    /// How many of the bytes were looked at: all, or those up to the end of a line. Pass the others
    /// in again.
    pub consumed: usize,
    /// If a line came back whole: the time since its last byte was sent.
    pub round_trip: Option<Duration>,
}

impl<S: AsRef<[u8]> + AsMut<[u8]>, const WINDOW: usize> Probe<S, WINDOW> {
    /// A probe that keeps what is in flight in `storage`, whose length is also the longest line.
    pub const fn new(storage: S) -> Self {
        Self {
            buffer: Buffer::new(storage),
            in_flight: Deque::new(),
            sent_lines: 0,
            unfinished: false,
            queued: 0,
            sent: 0,
            returned: 0,
            line_start: 0,
            lines: 0,
            #[cfg(test)]
            looked_at: 0,
        }
    }

    /// How many bytes can be queued now; 0 while the window is full.
    pub fn room(&self) -> usize {
        if self.in_flight.is_full() && !self.unfinished {
            0
        } else {
            self.buffer.free_len().max(self.room_after_move())
        }
    }

    /// Moving costs what is held, and is worth it when as many bytes have gone: then it is paid for
    /// by at most one move per byte that came back.
    fn room_after_move(&self) -> usize {
        let (gone, held) = (self.buffer.gone(), self.buffer.held());
        if gone >= held {
            self.buffer.capacity().saturating_sub(held)
        } else {
            0
        }
    }

    /// Queues one line, or a piece of a line that other pieces follow: all of it or nothing. A `\n`
    /// stands at its end or nowhere. Only the last line of a connection may lack it in the end, since
    /// a line echo gives that back at the end of input.
    ///
    /// # Errors
    ///
    /// [`QueueFull`] when it is longer than the [`room`](Self::room) there is now.
    pub fn queue(&mut self, line: &[u8]) -> Result<(), QueueFull> {
        let Some(last) = line.last() else {
            return Ok(());
        };
        if line.len() > self.room() {
            return Err(QueueFull);
        }
        if line.len() > self.buffer.free_len() {
            self.buffer.move_to_front();
        }
        let end = self.queued.wrapping_add(line.len() as u64);
        match self.in_flight.back_mut().filter(|_| self.unfinished) {
            Some(begun) => {
                begun.end = end;
                self.sent_lines = self.sent_lines.min(self.in_flight.len().saturating_sub(1));
            }
            None => self
                .in_flight
                .push_back(InFlight {
                    end,
                    sent_at: Instant::ZERO,
                })
                .map_err(|_| QueueFull)?,
        }
        let place = self.buffer.free().get_mut(..line.len()).ok_or(QueueFull)?;
        place.copy_from_slice(line);
        self.buffer.fill(line.len());
        self.queued = end;
        self.unfinished = *last != b'\n';
        Ok(())
    }

    /// What is to be sent.
    pub fn output(&self) -> &[u8] {
        self.buffer.back()
    }

    /// The bytes that were sent and have not come back.
    pub fn expected(&self) -> &[u8] {
        self.buffer.front()
    }

    /// The first `n` bytes of [`output`](Self::output) were sent at `now`.
    pub fn sent(&mut self, n: usize, now: Instant) {
        let n = n.min(self.buffer.back().len());
        self.buffer.pass(n);
        self.sent = self.sent.wrapping_add(n as u64);
        let sent = self.sent;
        while let Some(line) = self.in_flight.get_mut(self.sent_lines) {
            #[cfg(test)]
            {
                self.looked_at += 1;
            }
            if line.end > sent {
                break;
            }
            line.sent_at = now;
            self.sent_lines = self.sent_lines.wrapping_add(1);
        }
    }

    /// `bytes` came back at `now`: compares them with what was sent, up to the end of the first
    /// line. Call it again with those that were not consumed.
    ///
    /// # Errors
    ///
    /// [`ProbeError::Mismatch`] or [`ProbeError::Unsent`] with the place of the first difference.
    /// The bytes before it count as returned.
    pub fn received(&mut self, bytes: &[u8], now: Instant) -> Result<Echo, ProbeError> {
        let in_flight = self.in_flight.front().copied();
        let Some(line) = in_flight.filter(|line| line.end > self.returned) else {
            return match bytes.first() {
                None => Ok(Echo {
                    consumed: 0,
                    round_trip: None,
                }),
                Some(&got) => Err(ProbeError::Unsent {
                    place: self.place(),
                    got,
                }),
            };
        };
        let of_line = usize::try_from(line.end.wrapping_sub(self.returned)).unwrap_or(usize::MAX);
        let bytes = bytes.get(..of_line).unwrap_or(bytes);
        let expected = self.buffer.front();
        let common = common_prefix(bytes, expected);
        let difference = bytes
            .get(common)
            .map(|&got| (expected.get(common).copied(), got));
        self.buffer.consume(common);
        self.returned = self.returned.wrapping_add(common as u64);
        match difference {
            Some((Some(expected), got)) => Err(ProbeError::Mismatch {
                place: self.place(),
                expected,
                got,
            }),
            Some((None, got)) => Err(ProbeError::Unsent {
                place: self.place(),
                got,
            }),
            None if self.returned < line.end || self.is_within_line() => Ok(Echo {
                consumed: common,
                round_trip: None,
            }),
            None => {
                self.in_flight.pop_front();
                self.sent_lines = self.sent_lines.saturating_sub(1);
                self.lines = self.lines.wrapping_add(1);
                self.line_start = line.end;
                let round_trip = now.saturating_duration_since(line.sent_at);
                Ok(Echo {
                    consumed: common,
                    round_trip: Some(round_trip),
                })
            }
        }
    }

    /// Takes in all of `bytes`, and calls `on_line` with the round-trip time of each line.
    ///
    /// # Errors
    ///
    /// As of [`received`](Self::received).
    pub fn check(
        &mut self,
        mut bytes: &[u8],
        now: Instant,
        on_line: &mut impl FnMut(Duration),
    ) -> Result<(), ProbeError> {
        while !bytes.is_empty() {
            let echo = self.received(bytes, now)?;
            bytes = bytes.get(echo.consumed..).unwrap_or_default();
            echo.round_trip.into_iter().for_each(&mut *on_line);
        }
        Ok(())
    }

    /// The peer closed.
    ///
    /// # Errors
    ///
    /// [`ProbeError::Missing`] when not everything that was queued has come back.
    pub fn end_of_input(&self) -> Result<(), ProbeError> {
        match self.queued.wrapping_sub(self.returned) {
            0 => Ok(()),
            bytes => Err(ProbeError::Missing {
                place: self.place(),
                bytes,
            }),
        }
    }

    /// Whether everything that was queued has come back.
    pub fn is_done(&self) -> bool {
        self.returned == self.queued
    }

    /// The length of its storage in bytes.
    pub fn capacity(&self) -> usize {
        self.buffer.capacity()
    }

    /// Whether all that has yet to come back belongs to a line whose end has not been queued. Nothing
    /// of it need come back before: when such a line takes up all the storage,
    /// [`replace_storage`](Self::replace_storage) makes room for its end.
    pub fn is_within_line(&self) -> bool {
        self.unfinished && self.in_flight.len() == 1
    }

    /// Exchanges the storage, for more room. What is in flight moves along.
    ///
    /// # Errors
    ///
    /// If that does not fit, the probe keeps its storage, and the new one comes back.
    pub fn replace_storage(&mut self, storage: S) -> Result<S, S> {
        self.buffer.replace(storage)
    }

    /// How many lines came back whole.
    pub fn lines(&self) -> u64 {
        self.lines
    }

    /// How many bytes came back.
    pub fn bytes(&self) -> u64 {
        self.returned
    }

    /// The place of the next byte that is to come back.
    pub fn place(&self) -> Place {
        Place {
            line: self.lines.wrapping_add(1),
            byte: self.returned.wrapping_sub(self.line_start).wrapping_add(1),
        }
    }
}

/// How many bytes at the beginning of both are the same. Whole chunks are compared first, since
/// nearly always all of them are the same.
fn common_prefix(a: &[u8], b: &[u8]) -> usize {
    let both = a.len().min(b.len());
    if a.get(..both) == b.get(..both) {
        return both;
    }
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}

#[cfg(test)]
#[path = "probe_tests.rs"]
mod tests;
