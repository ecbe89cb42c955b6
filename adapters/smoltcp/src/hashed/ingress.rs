//! The way of a frame to the slot that it belongs to.

use linecho_core::Instant;
use smoltcp::iface::{Interface, SocketSet};
use smoltcp::phy::{Device, RxToken, TxToken};
use smoltcp::wire::TcpSeqNumber;

use super::{HashedListener, HashedSlot};
use crate::arrival::Arrival;
use crate::inject::Frame;
use crate::lifecycle::{Stage, arm, stage, tcp_sockets};
use crate::segment::Segment;
use crate::slot::Slot;
use crate::time::stack_time;
use crate::turn::{INGRESS_FRAMES, Wake};

impl<const LINES: usize> HashedListener<'_, LINES> {
    /// Takes in the frames that wait in the device, at most 64 of them: those for this listener,
    /// and into the set `others` the rest. Replaces the function [`ingress`](crate::ingress).
    pub fn ingress<D: Device + ?Sized>(
        &mut self,
        now: Instant,
        iface: &mut Interface,
        device: &mut D,
        others: &mut SocketSet<'_>,
    ) -> Wake {
        let at = stack_time(now);
        iface.poll_maintenance(at);
        let capabilities = device.capabilities();
        let mut wake = Wake::Again;
        for _ in 0..INGRESS_FRAMES {
            let Some((rx, tx)) = device.receive(at) else {
                wake = Wake::Frame;
                break;
            };
            let meta = rx.meta();
            rx.consume(|bytes| {
                let frame = Frame { bytes, meta };
                let arrival = Arrival::new(now, iface, &capabilities, frame, tx);
                self.take_in(arrival, others);
            });
        }
        self.reports.answer(now, iface, device);
        wake
    }

    /// Finds the set for a frame, lets the stack process it there, and queues its slot.
    fn take_in<T: TxToken>(&mut self, arrival: Arrival<'_, T>, others: &mut SocketSet<'_>) {
        let Some(segment) = arrival.segment() else {
            return self.take_in_other(arrival, others);
        };
        // Mostly there is nothing to do for a segment but this.
        if !segment.is_syn_or_rst()
            && segment.is_for(self.service.endpoint)
            && arrival.now >= self.neighbours_short_until.max(self.announced.until)
            && let Some(number) = self.table.find(&segment.flow)
            && let Some(slot) = self.table.get(number)
            && slot.hardware == segment.hardware
            && let Some(set) = &mut slot.set
        {
            arrival.enter(set);
            return self.work.push(self.table.slots, number);
        }
        self.take_in_rare(segment, arrival, others);
    }

    /// Does the same for a segment that begins or ends a connection, that no slot is for, or whose
    /// sender the stack may not know. Out of line, so that the others cost less.
    #[cold]
    #[inline(never)]
    fn take_in_rare<T: TxToken>(
        &mut self,
        segment: Segment<'_>,
        mut arrival: Arrival<'_, T>,
        others: &mut SocketSet<'_>,
    ) {
        let is_ours = segment.is_for(self.service.endpoint);
        let is_syn = is_ours && segment.is_syn();
        // A SYN changes the table before the stack sees it, which would drop a damaged one.
        if is_syn && !arrival.is_intact(&segment) {
            return;
        }
        let found = if is_ours {
            self.table.find(&segment.flow)
        } else {
            None
        };
        if let Some(number) = found
            && !(is_syn && self.table.has_ended(number))
        {
            if is_syn {
                self.restart_half_open(number, segment.seq());
            }
            if let Some(HashedSlot { set, hardware, .. }) = self.table.get(number)
                && let Some(set) = set
            {
                let announced = self.announced.get(arrival.now, segment.flow.remote.addr);
                if announced.unwrap_or(*hardware) != segment.hardware
                    || arrival.now < self.neighbours_short_until
                {
                    self.announced.forget(segment.flow.remote.addr);
                    arrival.tell_sender(&segment);
                }
                *hardware = segment.hardware;
                arrival.enter_checked(&segment, set);
            }
            return self.work.push(self.table.slots, number);
        }
        if let Some(number) = found {
            // The slot has still to end its session, or to send its last segment. The peer goes on.
            self.table.remove(number);
        }
        arrival.tell_sender(&segment);
        if is_syn
            && self.service.accepting
            && let Some(number) = self.table.take_free()
        {
            let slot = self.table.get(number);
            let half_open = slot.is_some_and(|slot| {
                (slot.hardware, slot.irs) = (segment.hardware, segment.seq());
                slot.set.as_mut().is_some_and(|set| {
                    arrival.enter(set);
                    tcp_sockets(set).any(|tcp| stage(tcp) == Stage::HalfOpen)
                })
            });
            if half_open {
                self.table.insert(number, segment.flow);
                self.work.push(self.table.slots, number);
            } else {
                self.table.put_free(number);
            }
        } else {
            // No socket takes it: the stack answers with an RST.
            arrival.enter(others);
        }
    }

    /// Takes in a frame without a segment.
    #[cold]
    #[inline(never)]
    fn take_in_other<T: TxToken>(&mut self, arrival: Arrival<'_, T>, others: &mut SocketSet<'_>) {
        let now = arrival.now;
        if let Some((address, hardware)) = arrival.enter_resolving(&mut self.reports, others) {
            self.announced.note(now, address, hardware);
        }
    }

    /// Forgets a half-open connection when its peer sends a SYN with another number: it has started
    /// anew (RFC 9293, 3.10.7.4, for SYN-RECEIVED).
    fn restart_half_open(&mut self, number: u32, seq: TcpSeqNumber) {
        if let Some(HashedSlot { slot, set, irs, .. }) = self.table.get(number)
            && *irs != seq
            && let Some(set) = set
        {
            for tcp in tcp_sockets(set).filter(|tcp| stage(tcp) == Stage::HalfOpen) {
                arm(tcp, self.service.endpoint, &self.service.options);
                (*slot, *irs) = (Slot::default(), seq);
            }
        }
    }
}
