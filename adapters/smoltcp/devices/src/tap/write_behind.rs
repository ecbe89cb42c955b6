//! Frames that the stack has sent, and that are written later, in a row: for the reason in
//! `read_ahead.rs`.

use core::num::NonZeroU16;
use core::ops::Range;

use heapless::Vec;

use super::cable::Cable;
use super::vnet::Header;

/// How many frames are written in a row at most.
const FRAMES: usize = 64;

/// Frames on their way out.
pub(super) struct WriteBehind {
    buffer: Box<[u8]>,
    /// Where the frames that wait are in `buffer`, each behind the place of a [`Header`].
    frames: Vec<Range<usize>, FRAMES>,
    /// Frames wait for others.
    holds: bool,
}

impl WriteBehind {
    /// Room for at least one frame of `longest` bytes, and for many that are shorter.
    pub(super) fn new(longest: usize) -> Self {
        Self {
            buffer: vec![0; 2 * longest].into(),
            frames: Vec::new(),
            holds: false,
        }
    }

    /// Lets frames wait from now on, until [`flush`](Self::flush) or until there is no room for another.
    pub(super) fn hold(&mut self) {
        self.holds = true;
    }

    /// Writes what waits, and lets nothing wait any more.
    pub(super) fn flush(&mut self, cable: &mut Cable) {
        self.holds = false;
        self.write(cable);
    }

    fn write(&mut self, cable: &mut Cable) {
        for frame in &self.frames {
            cable.write(&self.buffer[frame.clone()]);
        }
        self.frames.clear();
    }

    /// Sends a frame of `len` bytes, which `fill` puts into the room that it gets. TCP payload that is
    /// longer than `segment_len` is for the kernel to cut.
    pub(super) fn send<R>(
        &mut self,
        cable: &mut Cable,
        len: usize,
        segment_len: Option<NonZeroU16>,
        fill: impl FnOnce(&mut [u8]) -> R,
    ) -> R {
        let start = self.frames.last().map_or(0, |last| last.end);
        let end = start + Header::LEN + len;
        let Some(bytes) = self.buffer.get_mut(start..end) else {
            // Longer than the capabilities allow: smoltcp does not ask for that.
            cable.counters.dropped_other += 1;
            return fill(&mut vec![0; len]);
        };
        let result = fill(&mut bytes[Header::LEN..]);
        cable.prepare(bytes, segment_len);
        // There is room: it was made when the last one came.
        _ = self.frames.push(start..end);
        if !self.holds || self.frames.is_full() || end > self.buffer.len() / 2 {
            self.write(cable);
        }
        result
    }
}
