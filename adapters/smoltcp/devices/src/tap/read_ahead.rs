//! Frames that are read before the stack asks for them.
//!
//! A system call drives much of the program out of the processor's caches. So the frames that wait are
//! read in a row, and then the stack gets them in a row.

use core::mem;
use core::ops::Range;

use heapless::Deque;

/// How many frames are read in a row at most: as many as the stack takes in a turn.
const FRAMES: usize = 64;

/// Frames that were read, and that the stack has not had yet.
pub(super) struct ReadAhead {
    buffer: Box<[u8]>,
    /// Where they are in `buffer`.
    frames: Deque<Range<usize>, FRAMES>,
    /// After them there was no other: nobody has been told so yet.
    found_end: bool,
}

impl ReadAhead {
    /// Room for at least one frame of `longest` bytes, and for many that are shorter.
    pub(super) fn new(longest: usize) -> Self {
        Self {
            buffer: vec![0; 2 * longest].into(),
            frames: Deque::new(),
            found_end: false,
        }
    }

    /// The next frame. `read` puts one into the room that it gets, which is as long as the longest, and
    /// says where in it; `None` if no frame waits.
    pub(super) fn next(
        &mut self,
        mut read: impl FnMut(&mut [u8]) -> Option<Range<usize>>,
    ) -> Option<&[u8]> {
        if self.frames.is_empty() && !mem::take(&mut self.found_end) {
            let longest = self.buffer.len() / 2;
            let mut end = 0;
            while let Some(room) = self.buffer.get_mut(end..end + longest)
                && !self.frames.is_full()
            {
                let Some(Range { start, end: len }) = read(room) else {
                    self.found_end = !self.frames.is_empty();
                    break;
                };
                // There is room: the loop has looked.
                _ = self.frames.push_back(end + start..end + len);
                end += len;
            }
        }
        let frame = self.frames.pop_front()?;
        self.buffer.get(frame)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;

    const LONGEST: usize = 100;

    /// Asks for frames until there is none: how long they are, and how many reads it took.
    fn drain(ahead: &mut ReadAhead, waiting: &mut VecDeque<usize>) -> (Vec<usize>, usize) {
        let (mut lengths, mut reads) = (vec![], 0);
        let mut read = |room: &mut [u8]| {
            reads += 1;
            assert_eq!(room.len(), LONGEST);
            let len = waiting.pop_front()?;
            room[LONGEST - len..].fill(len as u8);
            Some(LONGEST - len..LONGEST)
        };
        while let Some(frame) = ahead.next(&mut read) {
            assert!(frame.iter().all(|&byte| usize::from(byte) == frame.len()));
            lengths.push(frame.len());
        }
        (lengths, reads)
    }

    #[test]
    fn all_frames_come_in_order() {
        let mut ahead = ReadAhead::new(LONGEST);
        let lengths: Vec<_> = (0..=LONGEST).rev().collect();
        let mut waiting = lengths.iter().copied().collect();
        assert_eq!(drain(&mut ahead, &mut waiting).0, lengths);
    }

    #[test]
    fn the_end_is_looked_for_once() {
        let mut ahead = ReadAhead::new(LONGEST);
        let mut waiting = VecDeque::from([LONGEST]);
        assert_eq!(drain(&mut ahead, &mut waiting), (vec![LONGEST], 2));
        assert_eq!(drain(&mut ahead, &mut waiting), (vec![], 1));
        waiting.push_back(7);
        assert_eq!(drain(&mut ahead, &mut waiting), (vec![7], 2));
    }

    #[test]
    fn short_frames_are_read_in_a_row() {
        let mut ahead = ReadAhead::new(LONGEST);
        let mut reads = 0;
        ahead.next(|_| {
            reads += 1;
            Some(0..1)
        });
        assert_eq!(reads, FRAMES);
    }
}
