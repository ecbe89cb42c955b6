//! The client half of one connection.

use core::num::NonZeroU64;
use core::time::Duration;

use heapless::Deque;

use crate::buffer::Buffer;
use crate::{Instant, Position, ProbeError, QueueFull};

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
    /// The number of lines in `in_flight`, from the oldest, that have been sent whole.
    sent_lines: usize,
    /// The last line queued still lacks its `\n`.
    unfinished: bool,
    /// Set when a driver has written and not flushed since: the transport may hold something back.
    unflushed: bool,
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
    /// The time at which its last byte was sent.
    sent_at: Instant,
}

/// The result of [`Probe::received`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Echo {
    /// The number of bytes that were looked at: all, or those up to the end of a line. Pass the
    /// others in again.
    pub consumed: usize,
    /// The time since the last byte of the line was sent, if a line came back whole.
    pub round_trip: Option<Duration>,
}

impl<S: AsRef<[u8]> + AsMut<[u8]>, const WINDOW: usize> Probe<S, WINDOW> {
    /// Creates a probe that keeps what is in flight in `storage`, whose length is also the longest
    /// line.
    #[must_use]
    pub const fn new(storage: S) -> Self {
        Self {
            buffer: Buffer::new(storage),
            in_flight: Deque::new(),
            sent_lines: 0,
            unfinished: false,
            unflushed: false,
            queued: 0,
            sent: 0,
            returned: 0,
            line_start: 0,
            lines: 0,
            #[cfg(test)]
            looked_at: 0,
        }
    }

    /// Returns the number of bytes that can be queued now; 0 while the window is full.
    #[must_use]
    pub fn room(&self) -> usize {
        if self.in_flight.is_full() && !self.unfinished {
            0
        } else {
            self.room_in_storage()
        }
    }

    fn room_in_storage(&self) -> usize {
        self.buffer.free_len().max(self.room_after_move())
    }

    /// Returns the room that there is if what is held moves to the front, or 0 if that is not worth
    /// it. A move costs what is held. It is worth it when as many bytes have gone, or for a line of
    /// which nothing need come back before its end is queued: either way the work stays linear.
    fn room_after_move(&self) -> usize {
        let (gone, held) = (self.buffer.gone(), self.buffer.held());
        let stuck = self.is_within_line() && self.returned == self.line_start;
        if gone >= held || stuck {
            self.buffer.capacity().saturating_sub(held)
        } else {
            0
        }
    }

    /// Queues one line, or a piece of a line that other pieces follow: all of it or nothing. A `\n`
    /// stands at its end or nowhere. Only the last line of a connection may lack it in the end,
    /// since a line echo gives that back at the end of input.
    ///
    /// # Errors
    ///
    /// [`QueueFull`] when it is longer than the [`room`](Self::room) there is now.
    pub fn queue(&mut self, line: &[u8]) -> Result<(), QueueFull> {
        let Some(last) = line.last() else {
            return Ok(());
        };
        if line.len() > self.room_in_storage() {
            return Err(QueueFull);
        }
        let end = self.queued.wrapping_add(line.len() as u64);
        match self.in_flight.back_mut().filter(|_| self.unfinished) {
            Some(begun) => {
                begun.end = end;
                self.sent_lines = self.sent_lines.min(self.in_flight.len().saturating_sub(1));
            }
            None => {
                let sent_at = Instant::ZERO;
                let line = InFlight { end, sent_at };
                self.in_flight.push_back(line).map_err(|_| QueueFull)?;
            }
        }
        if line.len() > self.buffer.free_len() {
            self.buffer.move_to_front();
        }
        let free = self.buffer.free().iter_mut();
        free.zip(line).for_each(|(free, byte)| *free = *byte);
        self.buffer.fill(line.len());
        self.queued = end;
        self.unfinished = *last != b'\n';
        Ok(())
    }

    /// Returns what is to be sent.
    #[must_use]
    pub fn output(&self) -> &[u8] {
        self.buffer.back()
    }

    /// Returns the bytes that were sent and have not come back.
    #[must_use]
    pub fn expected(&self) -> &[u8] {
        self.buffer.front()
    }

    /// Takes note that the first `n` bytes of [`output`](Self::output) were sent at `now`.
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

    /// Takes note that the first `n` bytes of output, at least one, went at `now` to a transport
    /// that may hold them back.
    pub(crate) fn written(&mut self, n: usize, now: Instant) {
        self.sent(n, now);
        self.unflushed = true;
    }

    /// Returns true if the transport may hold back something that was written.
    pub(crate) fn is_unflushed(&self) -> bool {
        self.unflushed
    }

    /// Notes that the transport holds nothing back.
    pub(crate) fn flushed(&mut self) {
        self.unflushed = false;
    }

    /// Compares `bytes`, which came back at `now`, with what was sent, up to the end of the first
    /// line. Call it again with those that were not consumed.
    ///
    /// # Errors
    ///
    /// [`ProbeError::Mismatch`] or [`ProbeError::Unsent`] with the position of the first
    /// difference. The bytes before it count as returned.
    pub fn received(&mut self, bytes: &[u8], now: Instant) -> Result<Echo, ProbeError> {
        let line = self.in_flight.front().copied();
        let end = line.map_or(self.returned, |line| line.end);
        // Zero if all of the line has come back so far: then whatever comes had not been sent.
        let of_line = NonZeroU64::new(end.wrapping_sub(self.returned));
        // The cast loses nothing: it is not more than there are bytes.
        let bytes = of_line
            .and_then(|n| bytes.get(..n.get().min(bytes.len() as u64) as usize))
            .unwrap_or(bytes);
        let expected = self.buffer.front();
        let common = common_prefix(bytes, expected);
        let difference = bytes
            .get(common)
            .map(|&got| (expected.get(common).copied(), got));
        self.buffer.consume(common);
        self.returned = self.returned.wrapping_add(common as u64);
        match difference {
            Some((Some(expected), got)) => Err(ProbeError::Mismatch {
                position: self.position(),
                expected,
                got,
            }),
            Some((None, got)) => Err(ProbeError::Unsent {
                position: self.position(),
                got,
            }),
            None => Ok(Echo {
                consumed: common,
                round_trip: line.and_then(|line| self.complete(line, now)),
            }),
        }
    }

    /// Lets go of the oldest line if it came back whole, and returns its round-trip time.
    fn complete(&mut self, line: InFlight, now: Instant) -> Option<Duration> {
        if self.returned < line.end || self.is_within_line() {
            return None;
        }
        self.in_flight.pop_front();
        self.sent_lines = self.sent_lines.saturating_sub(1);
        self.lines = self.lines.wrapping_add(1);
        self.line_start = line.end;
        Some(now.saturating_duration_since(line.sent_at))
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

    /// Checks that nothing is missing when the peer has closed.
    ///
    /// # Errors
    ///
    /// [`ProbeError::Missing`] when not everything that was queued has come back.
    pub fn end_of_input(&self) -> Result<(), ProbeError> {
        match self.queued.wrapping_sub(self.returned) {
            0 => Ok(()),
            bytes => Err(ProbeError::Missing {
                position: self.position(),
                bytes,
            }),
        }
    }

    /// Returns true if everything that was queued has come back.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.returned == self.queued
    }

    /// Returns the length of its storage in bytes.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.buffer.capacity()
    }

    /// Returns true if all that is in flight belongs to a line whose end has not been queued.
    /// Nothing of it need come back before: when such a line takes up all the storage,
    /// [`replace_storage`](Self::replace_storage) makes room for its end.
    #[must_use]
    pub fn is_within_line(&self) -> bool {
        self.unfinished && self.in_flight.len() == 1
    }

    /// Exchanges the storage, for more room. What is in flight moves along.
    ///
    /// # Errors
    ///
    /// If that does not fit, the probe keeps its storage, and the new one comes back.
    pub fn replace_storage(&mut self, storage: S) -> Result<S, S> {
        self.buffer.replace(storage, 0)
    }

    /// Returns the number of lines that came back whole.
    #[must_use]
    pub fn lines(&self) -> u64 {
        self.lines
    }

    /// Returns the number of bytes that came back.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.returned
    }

    /// Returns the position of the next byte that is to come back.
    #[must_use]
    pub fn position(&self) -> Position {
        Position {
            line: self.lines.wrapping_add(1),
            byte: self.returned.wrapping_sub(self.line_start).wrapping_add(1),
        }
    }
}

/// Returns the number of bytes at the beginning that both have in common. All are compared at once
/// first, since nearly always they are the same.
fn common_prefix(a: &[u8], b: &[u8]) -> usize {
    let both = a.len().min(b.len());
    if a.get(..both) == b.get(..both) {
        return both;
    }
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}

#[cfg(test)]
mod state_space;
#[cfg(test)]
mod tests;
