//! One direction of a link: the frames under way, and what happens to them.

use core::cmp::{Ordering, Reverse};
use core::time::Duration;
use std::collections::BinaryHeap;

use smoltcp::time::Instant;

use super::random::Random;
use super::{Counters, Faults};

#[derive(Debug)]
pub(super) struct Lane {
    pub(super) faults: Faults,
    pub(super) counters: Counters,
    mtu: usize,
    random: Random,
    /// The next to arrive is on top.
    under_way: BinaryHeap<Reverse<Frame>>,
    /// Buffers of frames that have gone, so that the next ones allocate nothing.
    spare: Vec<Vec<u8>>,
    /// The time at which the last frame has entered the link whole.
    free_at: Instant,
    /// Tells apart frames that arrive at the same time: first in, first out.
    next_number: u64,
}

impl Lane {
    pub(super) fn new(mtu: usize, seed: u64, stream: u64, faults: Faults) -> Self {
        Self {
            faults,
            counters: Counters::default(),
            mtu,
            random: Random::new(seed, stream),
            under_way: BinaryHeap::new(),
            spare: Vec::new(),
            free_at: Instant::ZERO,
            next_number: 0,
        }
    }

    pub(super) fn next_arrival(&self) -> Option<Instant> {
        self.under_way.peek().map(|frame| frame.0.arrival)
    }

    pub(super) fn under_way(&self) -> usize {
        self.under_way.len()
    }

    #[cfg(test)]
    pub(super) fn spare(&self) -> usize {
        self.spare.len()
    }

    /// A buffer for a frame of `len` bytes.
    pub(super) fn buffer(&mut self, len: usize) -> Vec<u8> {
        let mut buffer = self.spare.pop().unwrap_or_default();
        buffer.resize(len, 0);
        buffer
    }

    /// Sends a frame at `now`. Each frame draws the same numbers whatever becomes of it, so that
    /// changing one kind of fault leaves the others where they were.
    pub(super) fn send(&mut self, mut frame: Vec<u8>, now: Instant) {
        let faults = self.faults;
        let random = &mut self.random;
        let lost = random.chance(faults.loss_permille);
        let duplicated = random.chance(faults.duplicate_permille);
        let held_back = random.chance(faults.reorder_permille);
        let corrupted = random.chance(faults.corrupt_permille);
        let bit = random.below(8 * frame.len() as u64) as usize;
        let jitter = faults.jitter.as_micros() as u64;
        let late = random.below(jitter.saturating_add(1));
        let late_copy = random.below(jitter.saturating_add(1));

        self.counters.sent += 1;
        if frame.len() > self.mtu {
            self.counters.too_long += 1;
            return self.spare.push(frame);
        }
        if self.under_way.len() >= faults.queue_frames {
            self.counters.overflowed += 1;
            return self.spare.push(frame);
        }
        // A lost frame has taken its time on the line all the same.
        let arrival = self.enter(frame.len(), now) + faults.delay.into();
        if lost {
            self.counters.lost += 1;
            return self.spare.push(frame);
        }
        // The copy is as sent: the fault of the one is not that of the other.
        let copy = duplicated.then(|| {
            let mut copy = self.buffer(frame.len());
            copy.copy_from_slice(&frame);
            copy
        });
        if corrupted && let Some(byte) = frame.get_mut(bit / 8) {
            self.counters.corrupted += 1;
            *byte ^= 1 << (bit % 8);
        }
        let mut late = Duration::from_micros(late);
        if held_back {
            self.counters.held_back += 1;
            late += faults.hold_back;
        }
        self.queue(frame, arrival + late.into());
        if let Some(copy) = copy {
            self.counters.duplicated += 1;
            self.queue(copy, arrival + Duration::from_micros(late_copy).into());
        }
    }

    /// Takes the next frame that has arrived by `now` into `arrived`, whose buffer is used again.
    pub(super) fn receive(&mut self, now: Instant, arrived: &mut Vec<u8>) -> Option<()> {
        if self.next_arrival()? > now {
            return None;
        }
        let Reverse(frame) = self.under_way.pop()?;
        self.spare.push(core::mem::replace(arrived, frame.bytes));
        self.counters.delivered += 1;
        Some(())
    }

    /// Returns the time at which a frame that is sent at `now` has entered the link whole.
    fn enter(&mut self, len: usize, now: Instant) -> Instant {
        let start = self.free_at.max(now);
        let micros = (len as u64 * 1_000_000).checked_div(self.faults.bytes_per_second);
        self.free_at = start + Duration::from_micros(micros.unwrap_or(0)).into();
        self.free_at
    }

    fn queue(&mut self, bytes: Vec<u8>, arrival: Instant) {
        let number = self.next_number;
        self.next_number += 1;
        self.under_way.push(Reverse(Frame {
            arrival,
            number,
            bytes,
        }));
    }
}

/// A frame under way.
#[derive(Debug)]
struct Frame {
    arrival: Instant,
    number: u64,
    bytes: Vec<u8>,
}

impl Ord for Frame {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.arrival, self.number).cmp(&(other.arrival, other.number))
    }
}

impl PartialOrd for Frame {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Frame {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Frame {}
