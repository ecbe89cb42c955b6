//! The slots of a hashed listener, indexed by address pair, by pending work, and by time. All links
//! are numbers of slots, inside the slots: nothing is allocated.

use linecho_core::Instant;
use smoltcp::iface::{Interface, SocketSet};
use smoltcp::phy::Device;
use smoltcp::socket::tcp;
use smoltcp::wire::{IpAddress, TcpSeqNumber};

use super::announced::Announced;
use crate::lifecycle::{Stage, stage, tcp_sockets};
#[cfg(feature = "medium-ethernet")]
use crate::neighbour;
use crate::segment::{Flow, Hardware};
use crate::slot::Slot;

/// The number of slots that share a lower bound of their times.
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
    pub(super) flow: Option<Flow>,
    /// In slot `n`, the first slot of bucket `n`: there are as many buckets as slots.
    bucket: u32,
    /// The next one in the bucket that this slot is in, or the next free slot.
    next: u32,
    /// In use. Without a `flow`, its connection has ended, and segments of that address pair no
    /// longer come here.
    pub(super) is_taken: bool,
    /// Its places in the queues.
    links: [Link; 2],
    /// The hardware address that the peer's last frame came from: its own, or that of a router.
    pub(super) hardware: Hardware,
    /// The number of the SYN that the connection began with.
    pub(super) irs: TcpSeqNumber,
    /// The time of its next turn.
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
            is_taken: true,
            links: [NOT_QUEUED; 2],
            hardware: Hardware::default(),
            irs: TcpSeqNumber(0),
            due: NEVER,
            block_due: NEVER,
        }
    }
}

impl HashedSlot<'_> {
    /// Returns whether the slot's peer has this address.
    pub(super) fn is_with(&self, address: IpAddress) -> bool {
        self.flow
            .as_ref()
            .is_some_and(|flow| flow.remote.addr == address)
    }

    /// Tells the stack the hardware address for the slot's peer, if there is any, and returns the
    /// address on the link that it belongs to: that of the peer, or of a router.
    #[cfg_attr(
        not(feature = "medium-ethernet"),
        allow(unused_variables, reason = "only Ethernet has addresses")
    )]
    pub(super) fn tell_hardware<D: Device + ?Sized>(
        &self,
        now: Instant,
        iface: &mut Interface,
        device: &D,
        announced: &Announced,
    ) -> Option<IpAddress> {
        #[cfg(feature = "medium-ethernet")]
        {
            let Flow { local, remote } = self.flow?;
            if self.hardware == Hardware::default() {
                return None;
            }
            let hop = neighbour::next_hop(now, iface, remote.addr)?;
            let hardware = announced.get(now, hop).unwrap_or(self.hardware);
            let capabilities = device.capabilities();
            neighbour::tell::<D::TxToken<'_>>(now, iface, &capabilities, local, hop, hardware);
            Some(hop)
        }
        #[cfg(not(feature = "medium-ethernet"))]
        None
    }
}

/// The next slot in a queue, [`LAST`], or [`NOT_QUEUED`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Link(u32);

const LAST: Link = Link(u32::MAX);
const NOT_QUEUED: Link = Link(u32::MAX - 1);

/// Slots in the order in which they came, each at most once.
#[derive(Debug)]
pub(super) struct Queue {
    /// The index of its link in each slot.
    link: usize,
    ends: Option<(u32, u32)>,
}

impl Queue {
    /// Slots with something to do.
    pub(super) const WORK: Self = Self::new(0);
    /// Slots that wait for a line buffer.
    pub(super) const WAITING: Self = Self::new(1);

    const fn new(link: usize) -> Self {
        let ends = None;
        Self { link, ends }
    }

    /// Returns the link of a slot in this queue.
    fn link<'s>(&self, slots: &'s mut [HashedSlot<'_>], number: u32) -> Option<&'s mut Link> {
        slots.get_mut(number as usize)?.links.get_mut(self.link)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.ends.is_none()
    }

    pub(super) fn push(&mut self, slots: &mut [HashedSlot<'_>], number: u32) {
        let Some(link) = self.link(slots, number) else {
            return;
        };
        if *link != NOT_QUEUED {
            return;
        }
        *link = LAST;
        match self.ends {
            Some((first, last)) => {
                if let Some(last) = self.link(slots, last) {
                    *last = Link(number);
                }
                self.ends = Some((first, number));
            }
            None => self.ends = Some((number, number)),
        }
    }

    pub(super) fn pop(&mut self, slots: &mut [HashedSlot<'_>]) -> Option<u32> {
        let (first, last) = self.ends?;
        let link = self.link(slots, first)?;
        let next = core::mem::replace(link, NOT_QUEUED);
        self.ends = (next != LAST).then_some((next.0, last));
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
    /// Makes a table of `slots`, none of which is free yet.
    pub(super) fn new(slots: &'a mut [HashedSlot<'a>], seed: u64) -> Self {
        Self {
            slots,
            free: NONE,
            free_len: 0,
            seed,
            earliest: NEVER,
        }
    }

    #[inline(always)]
    pub(super) fn get(&mut self, number: u32) -> Option<&mut HashedSlot<'a>> {
        self.slots.get_mut(number as usize)
    }

    /// Returns whether nothing but the last segment is left of the connection in a slot.
    pub(super) fn has_ended(&mut self, number: u32) -> bool {
        let ended = |tcp: &mut tcp::Socket<'_>| {
            matches!(
                stage(tcp),
                Stage::Free | Stage::ResetPending | Stage::TimeWait
            )
        };
        self.slot_and_set(number)
            .is_some_and(|(_, set)| tcp_sockets(set).all(ended))
    }

    /// Returns a slot, and the set with its socket.
    pub(super) fn slot_and_set(
        &mut self,
        number: u32,
    ) -> Option<(&mut Slot<'a>, &mut SocketSet<'a>)> {
        let HashedSlot { slot, set, .. } = self.get(number)?;
        Some((slot, set.as_mut()?))
    }

    pub(super) fn put_free(&mut self, number: u32) {
        let next = self.free;
        if let Some(slot) = self.get(number) {
            slot.next = next;
            slot.is_taken = false;
            self.free = number;
            self.free_len += 1;
        }
    }

    pub(super) fn take_free(&mut self) -> Option<u32> {
        let number = self.free;
        let slot = self.get(number)?;
        slot.is_taken = true;
        self.free = slot.next;
        self.free_len = self.free_len.saturating_sub(1);
        Some(number)
    }

    /// Returns the number of the bucket for `flow`.
    fn bucket(&self, flow: &Flow) -> u32 {
        let scaled = u64::from(flow.hash(self.seed)) * self.slots.len() as u64;
        (scaled >> 32) as u32
    }

    #[inline(always)]
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

    /// Takes a slot out of its bucket. Returns whether it was in one.
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

    /// Sets the time of a slot's next turn.
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
    /// Times mostly move to later before they come, which costs nothing here: the bound of a block
    /// is computed anew only when it has passed.
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

    /// Does the same for the block that begins at `start`, and returns its earliest time after
    /// that.
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

    /// Returns when the next slot is due, or an earlier time at which to look again.
    pub(super) fn earliest(&self) -> Option<Instant> {
        (self.earliest != NEVER).then_some(self.earliest)
    }
}

#[cfg(test)]
#[cfg(all(feature = "medium-ip", feature = "proto-ipv4"))]
#[path = "table_tests.rs"]
mod tests;
