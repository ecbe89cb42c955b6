//! Frames that cross the file descriptor in a row.
//!
//! A system call drives much of the program out of the processor's caches. So the frames that wait
//! are read in a row and the stack takes them in a row, and those that it sends are written in a
//! row.

use core::mem;
use core::num::NonZeroU16;
use core::ops::Range;

use heapless::Deque;

use super::descriptor::Descriptor;
use super::vnet::Header;

/// The most frames in a row: 64, as many as a turn of the listener of `linecho-smoltcp` takes.
const FRAMES: usize = 64;

/// Frames in one buffer, oldest first. Each begins behind the place of a [`Header`].
struct Batch {
    buffer: Box<[u8]>,
    frames: Deque<Range<usize>, FRAMES>,
}

impl Batch {
    /// Makes a batch with room for one frame of `longest` bytes, or for many that are shorter.
    fn new(longest: usize) -> Self {
        Self {
            buffer: vec![0; 2 * longest].into(),
            frames: Deque::new(),
        }
    }

    /// Returns whether another frame of any length fits behind one that ends at `end`.
    fn has_room_after(&self, end: usize) -> bool {
        !self.frames.is_full() && end <= self.buffer.len() / 2
    }

    /// Callers have asked [`has_room_after`](Self::has_room_after).
    fn push(&mut self, frame: Range<usize>) {
        _ = self.frames.push_back(frame);
    }
}

/// Frames that were read, and that the stack has not taken yet.
pub(super) struct Incoming {
    batch: Batch,
    /// The last read found no frame. That is reported once, before the next read.
    found_end: bool,
}

impl Incoming {
    pub(super) fn new(longest: usize) -> Self {
        Self {
            batch: Batch::new(longest),
            found_end: false,
        }
    }

    /// Returns the next frame. `read` puts one into the room that it gets, which is as long as the
    /// longest, and returns its range in there, or `None` if no frame waits.
    pub(super) fn next(
        &mut self,
        mut read: impl FnMut(&mut [u8]) -> Option<Range<usize>>,
    ) -> Option<&[u8]> {
        let Self { batch, found_end } = self;
        if batch.frames.is_empty() && !mem::take(found_end) {
            let longest = batch.buffer.len() / 2;
            let mut end = 0;
            while batch.has_room_after(end) {
                let Some(frame) = read(&mut batch.buffer[end..end + longest]) else {
                    *found_end = !batch.frames.is_empty();
                    break;
                };
                batch.push(end + frame.start..end + frame.end);
                end += frame.end;
            }
        }
        let frame = batch.frames.pop_front()?;
        batch.buffer.get(frame)
    }
}

/// Frames that the stack has sent, and that are not written yet.
pub(super) struct Outgoing {
    batch: Batch,
    /// Frames wait for others.
    holds: bool,
}

impl Outgoing {
    pub(super) fn new(longest: usize) -> Self {
        Self {
            batch: Batch::new(longest),
            holds: false,
        }
    }

    /// Lets frames wait from now on, until [`flush`](Self::flush) or until the batch is full.
    pub(super) fn hold(&mut self) {
        self.holds = true;
    }

    /// Writes the frames that wait, and lets none wait any more.
    pub(super) fn flush(&mut self, descriptor: &mut Descriptor) {
        self.holds = false;
        self.write(descriptor);
    }

    fn write(&mut self, descriptor: &mut Descriptor) {
        while let Some(frame) = self.batch.frames.pop_front() {
            descriptor.write(&self.batch.buffer[frame]);
        }
    }

    /// Sends a frame of `len` bytes, which `fill` puts into the room that it gets. TCP payload that
    /// is longer than `segment_len` is for the kernel to cut.
    pub(super) fn send<R>(
        &mut self,
        descriptor: &mut Descriptor,
        len: usize,
        segment_len: Option<NonZeroU16>,
        fill: impl FnOnce(&mut [u8]) -> R,
    ) -> R {
        let batch = &mut self.batch;
        let start = batch.frames.back().map_or(0, |last| last.end);
        let end = start + Header::LEN + len;
        let Some(bytes) = batch.buffer.get_mut(start..end) else {
            // Longer than the capabilities allow: smoltcp does not ask for that.
            descriptor.counters.dropped_other += 1;
            return fill(&mut vec![0; len]);
        };
        let result = fill(&mut bytes[Header::LEN..]);
        descriptor.prepare(bytes, segment_len);
        batch.push(start..end);
        if !self.holds || !batch.has_room_after(end) {
            self.write(descriptor);
        }
        result
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;

    const LONGEST: usize = 100;

    /// Takes frames until there is none, and returns their lengths and the number of reads.
    fn drain(incoming: &mut Incoming, waiting: &mut VecDeque<usize>) -> (Vec<usize>, usize) {
        let (mut lengths, mut reads) = (vec![], 0);
        let mut read = |room: &mut [u8]| {
            reads += 1;
            assert_eq!(room.len(), LONGEST);
            let len = waiting.pop_front()?;
            room[LONGEST - len..].fill(len as u8);
            Some(LONGEST - len..LONGEST)
        };
        while let Some(frame) = incoming.next(&mut read) {
            assert!(frame.iter().all(|&byte| usize::from(byte) == frame.len()));
            lengths.push(frame.len());
        }
        (lengths, reads)
    }

    #[test]
    fn all_frames_come_in_order() {
        let mut incoming = Incoming::new(LONGEST);
        let lengths: Vec<_> = (0..=LONGEST).rev().collect();
        let mut waiting = lengths.iter().copied().collect();
        assert_eq!(drain(&mut incoming, &mut waiting).0, lengths);
    }

    #[test]
    fn the_end_is_looked_for_once() {
        let mut incoming = Incoming::new(LONGEST);
        let mut waiting = VecDeque::from([LONGEST]);
        assert_eq!(drain(&mut incoming, &mut waiting), (vec![LONGEST], 2));
        assert_eq!(drain(&mut incoming, &mut waiting), (vec![], 1));
        waiting.push_back(7);
        assert_eq!(drain(&mut incoming, &mut waiting), (vec![7], 2));
    }

    #[test]
    fn short_frames_are_read_in_a_row() {
        let mut incoming = Incoming::new(LONGEST);
        let mut reads = 0;
        incoming.next(|_| {
            reads += 1;
            Some(0..1)
        });
        assert_eq!(reads, FRAMES);
    }
}
