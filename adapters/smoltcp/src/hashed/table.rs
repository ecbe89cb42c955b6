//! The slots of a hashed listener, and how they are found: by address pair, by what there is to do,
//! and by time. All links are numbers of slots, inside the slots: nothing is allocated.

use linecho_core::Instant;
use smoltcp::iface::SocketSet;

use super::flow::Flow;
use crate::slot::Slot;

/// How many slots share the note of their earliest time.
const BLOCK: usize = 64;

/// Later than any time.
const NEVER: Instant = Instant::from_micros(u64::MAX);

/// No slot.
const NONE: u32 = u32::MAX;

/// Storage for one connection of a [`HashedListener`](crate::HashedListener).
#[derive(Debug)]
pub struct HashedSlot<'a> {
    pub(super) slot: Slot<'a>,
    /// One socket.
    pub(super) set: Option<SocketSet<'a>>,
    flow: Option<Flow>,
    /// The first slot of the bucket that has the number of this slot.
    bucket: u32,
    /// The next one in the bucket that this slot is in, or the next free slot.
    next: u32,
    work: Link,
    waiting: Link,
    /// When it wants a turn.
    due: Instant,
    /// In the first slot of a block: not later than any `due` in the block.
    block_due: Instant,
}

impl Default for HashedSlot<'_> {
    fn default() -> Self {
        Self {
            slot: Slot::default(),
            set: None,
            flow: None,
            bucket: NONE,
            next: NONE,
            work: Link::default(),
            waiting: Link::default(),
            due: NEVER,
            block_due: NEVER,
        }
    }
}

#[derive(Debug, Default)]
struct Link {
    next: Option<u32>,
    queued: bool,
}

/// Slots in the order in which they came, each at most once.
#[derive(Debug)]
pub(super) struct Queue {
    link: for<'x, 'a> fn(&'x mut HashedSlot<'a>) -> &'x mut Link,
    ends: Option<(u32, u32)>,
}

impl Queue {
    /// Slots with something to do.
    pub(super) const WORK: Self = Self {
        link: |slot| &mut slot.work,
        ends: None,
    };
    /// Slots that wait for a line buffer.
    pub(super) const WAITING: Self = Self {
        link: |slot| &mut slot.waiting,
        ends: None,
    };

    pub(super) fn is_empty(&self) -> bool {
        self.ends.is_none()
    }

    pub(super) fn push(&mut self, slots: &mut [HashedSlot<'_>], number: u32) {
        let Some(slot) = slots.get_mut(number as usize) else {
            return;
        };
        let link = (self.link)(slot);
        if link.queued {
            return;
        }
        *link = Link {
            next: None,
            queued: true,
        };
        match self.ends {
            Some((first, last)) => {
                if let Some(slot) = slots.get_mut(last as usize) {
                    (self.link)(slot).next = Some(number);
                }
                self.ends = Some((first, number));
            }
            None => self.ends = Some((number, number)),
        }
    }

    pub(super) fn pop(&mut self, slots: &mut [HashedSlot<'_>]) -> Option<u32> {
        let (first, last) = self.ends?;
        let link = (self.link)(slots.get_mut(first as usize)?);
        link.queued = false;
        self.ends = link.next.map(|next| (next, last));
        Some(first)
    }
}

/// The slots, those of them that listen, and the buckets of those that do not.
#[derive(Debug)]
pub(super) struct Table<'a> {
    pub(super) slots: &'a mut [HashedSlot<'a>],
    free: u32,
    pub(super) free_len: usize,
    seed: u64,
    /// Not later than any `due`.
    pub(super) earliest: Instant,
}

impl<'a> Table<'a> {
    /// A table of `slots`, none of which is free yet.
    pub(super) fn new(slots: &'a mut [HashedSlot<'a>], seed: u64) -> Self {
        Self {
            slots,
            free: NONE,
            free_len: 0,
            seed,
            earliest: NEVER,
        }
    }

    pub(super) fn get(&mut self, number: u32) -> Option<&mut HashedSlot<'a>> {
        self.slots.get_mut(number as usize)
    }

    /// A slot, and the set with its socket.
    pub(super) fn slot_and_set(
        &mut self,
        number: u32,
    ) -> Option<(&mut Slot<'a>, &mut SocketSet<'a>)> {
        let HashedSlot { slot, set, .. } = self.get(number)?;
        Some((slot, set.as_mut()?))
    }

    /// The set with the socket of a slot.
    pub(super) fn set(&mut self, number: u32) -> Option<&mut SocketSet<'a>> {
        self.slot_and_set(number).map(|(_, set)| set)
    }

    pub(super) fn put_free(&mut self, number: u32) {
        let next = self.free;
        if let Some(slot) = self.get(number) {
            slot.next = next;
            self.free = number;
            self.free_len += 1;
        }
    }

    pub(super) fn take_free(&mut self) -> Option<u32> {
        let number = self.free;
        self.free = self.get(number)?.next;
        self.free_len = self.free_len.saturating_sub(1);
        Some(number)
    }

    /// The number of the bucket in which `flow` is, or would be.
    fn bucket(&self, flow: &Flow) -> u32 {
        let scaled = u64::from(flow.hash(self.seed)) * self.slots.len() as u64;
        (scaled >> 32) as u32
    }

    pub(super) fn find(&mut self, flow: &Flow) -> Option<u32> {
        let bucket = self.bucket(flow);
        let mut number = self.get(bucket)?.bucket;
        while let Some(slot) = self.get(number) {
            if slot.flow.as_ref() == Some(flow) {
                return Some(number);
            }
            number = slot.next;
        }
        None
    }

    pub(super) fn insert(&mut self, number: u32, flow: Flow) {
        let bucket = self.bucket(&flow);
        let Some(first) = self.get(bucket).map(|slot| &mut slot.bucket) else {
            return;
        };
        let next = core::mem::replace(first, number);
        if let Some(slot) = self.get(number) {
            (slot.flow, slot.next) = (Some(flow), next);
        }
    }

    /// Takes a slot out of its bucket. Whether it was in one.
    pub(super) fn remove(&mut self, number: u32) -> bool {
        let slot = self.get(number);
        let Some((flow, next)) = slot.and_then(|slot| Some((slot.flow.take()?, slot.next))) else {
            return false;
        };
        let bucket = self.bucket(&flow);
        let (mut before, mut at) = (None, self.get(bucket).map(|slot| slot.bucket));
        while at != Some(number) {
            (before, at) = (at, at.and_then(|at| Some(self.get(at)?.next)));
            if at.is_none() {
                return false;
            }
        }
        match before.and_then(|before| self.get(before)) {
            Some(before) => before.next = next,
            None => {
                if let Some(slot) = self.get(bucket) {
                    slot.bucket = next;
                }
            }
        }
        true
    }

    /// Notes when a slot wants its next turn.
    pub(super) fn set_due(&mut self, number: u32, due: Option<Instant>) {
        let due = due.unwrap_or(NEVER);
        let index = number as usize;
        if let Some(slot) = self.slots.get_mut(index) {
            slot.due = due;
        }
        if let Some(first) = self.slots.get_mut(index - index % BLOCK) {
            first.block_due = first.block_due.min(due);
        }
        self.earliest = self.earliest.min(due);
    }

    /// Queues the slots whose time has come.
    ///
    /// Times mostly move to later before they come, which costs nothing here: the notes of the
    /// blocks are made right only when the earliest of them has come.
    pub(super) fn queue_due(&mut self, now: Instant, work: &mut Queue) {
        if self.earliest > now {
            return;
        }
        self.earliest = NEVER;
        for start in (0..self.slots.len()).step_by(BLOCK) {
            let Some(block_due) = self.slots.get(start).map(|first| first.block_due) else {
                return;
            };
            let block_due = if block_due > now {
                block_due
            } else {
                self.queue_due_in(start, now, work)
            };
            self.earliest = self.earliest.min(block_due);
        }
    }

    /// The same for the block that begins at `start`. Its earliest time after that.
    fn queue_due_in(&mut self, start: usize, now: Instant, work: &mut Queue) -> Instant {
        let mut block_due = NEVER;
        let end = (start + BLOCK).min(self.slots.len());
        for index in start..end {
            let Some(slot) = self.slots.get_mut(index) else {
                break;
            };
            if slot.due <= now {
                slot.due = NEVER;
                work.push(self.slots, index as u32);
            } else {
                block_due = block_due.min(slot.due);
            }
        }
        if let Some(first) = self.slots.get_mut(start) {
            first.block_due = block_due;
        }
        block_due
    }

    /// When the next slot is due, or a note has to be made right.
    pub(super) fn earliest(&self) -> Option<Instant> {
        (self.earliest != NEVER).then_some(self.earliest)
    }
}

#[cfg(all(test, feature = "medium-ip", feature = "proto-ipv4"))]
#[path = "table_tests.rs"]
mod tests;
