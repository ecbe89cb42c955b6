//! Thousands of connections on one port, at a cost for each line that does not grow with them.

mod announced;
mod ingress;
mod table;

use core::time::Duration;

use heapless::Vec;
use linecho_core::{Instant, Totals};
use smoltcp::iface::{Interface, PollResult, SocketSet, SocketStorage};
use smoltcp::phy::Device;
use smoltcp::socket::tcp::{self, ListenError};
use smoltcp::wire::IpListenEndpoint;

use self::announced::Announced;
use self::table::{Queue, Table};
use crate::event::Event;
use crate::inject::Sender;
use crate::lifecycle::{arm, tcp_sockets};
use crate::mld::Reports;
use crate::options::Options;
use crate::service::{Service, Turn};
use crate::slot::Slot;
use crate::time::earlier;
use crate::time::stack_time;
use crate::turn::{DEVICE_RETRY, INGRESS_FRAMES, Wake, egress, next_egress};

pub use self::table::HashedSlot;

/// The slots that get a turn in one [`HashedListener::serve`].
const TURNS: usize = 2 * INGRESS_FRAMES;

/// The time for which the stack is told the hardware address of each peer that is served, after it
/// lacked one: that of an entry of its neighbour cache.
const NEIGHBOURS_SHORT: Duration = Duration::from_secs(60);

/// The time between two looks at a half-open or closing slot that has outlived its short deadline
/// while others listen.
const LATE_RETRY: Duration = Duration::from_secs(1);

/// A line echo on one port, for thousands of connections: take it for more than about 16, and
/// [`Listener`](crate::Listener), which is smaller, for fewer.
///
/// smoltcp goes over every socket of a set for each frame, each send, and to find the next
/// deadline. Here each socket has a set of its own: a frame is given to the set whose connection it
/// belongs to, found by a hash of its address pair, and only slots with something to do get a turn.
/// So the cost of a line does not grow with the number of connections.
///
/// Frames that are not for this listener go to the set `others`: there may be other sockets in it,
/// such as one for DHCP, and those of a [`Listener`](crate::Listener) on another port. A second
/// hashed listener cannot share the interface, since each takes the frames of the device itself.
///
/// `LINES` is the number of line buffers that the sessions share.
#[derive(Debug)]
pub struct HashedListener<'a, const LINES: usize> {
    service: Service<Vec<&'a mut [u8], LINES>>,
    table: Table<'a>,
    work: Queue,
    waiting: Queue,
    /// Until then, the stack may lack the hardware address of any peer: it had to be told one
    /// again.
    neighbours_short_until: Instant,
    announced: Announced,
    reports: Reports,
}

impl<'a, const LINES: usize> HashedListener<'a, LINES> {
    /// Serves as many connections as there are `sockets`, `slots` and `storage` on `endpoint`: a
    /// port, or an address and a port.
    ///
    /// `lines`, at most `LINES` of them, are the line buffers, whose length is that of the longest
    /// line. A session has one only while it holds bytes. `seed` should be a number that peers
    /// cannot guess, so that they cannot choose addresses that make the search long.
    ///
    /// # Errors
    ///
    /// [`ListenError::Unaddressable`] if the port is 0.
    pub fn new<B>(
        endpoint: impl Into<IpListenEndpoint>,
        options: impl Into<Options>,
        seed: u64,
        slots: &'a mut [HashedSlot<'a>],
        storage: &'a mut [SocketStorage<'a>],
        sockets: impl IntoIterator<Item = tcp::Socket<'a>>,
        lines: impl IntoIterator<Item = &'a mut B>,
    ) -> Result<Self, ListenError>
    where
        B: AsMut<[u8]> + ?Sized + 'a,
    {
        let endpoint = endpoint.into();
        if endpoint.port == 0 {
            return Err(ListenError::Unaddressable);
        }
        let mut service = Service::new(endpoint, options.into());
        service.add_lines(lines);
        let mut len = 0;
        let places = slots.iter_mut().zip(storage.chunks_mut(1));
        for ((slot, storage), mut socket) in places.zip(sockets) {
            arm(&mut socket, service.endpoint, &service.options);
            let mut set = SocketSet::new(storage);
            set.add(socket);
            *slot = HashedSlot::default();
            slot.set = Some(set);
            len += 1;
        }
        let (slots, _) = slots.split_at_mut(len);
        let mut table = Table::new(slots, seed);
        (0..len as u32)
            .rev()
            .for_each(|number| table.put_free(number));
        Ok(Self {
            service,
            table,
            work: Queue::WORK,
            waiting: Queue::WAITING,
            neighbours_short_until: Instant::ZERO,
            announced: Announced::NOTHING,
            reports: Reports::default(),
        })
    }

    /// Gives everything a turn, also the sockets in `others`: takes in frames, serves the
    /// connections that have something to do, sends. The work is bounded. Returns when to call
    /// again.
    pub fn poll<D: Device + ?Sized>(
        &mut self,
        now: Instant,
        iface: &mut Interface,
        device: &mut D,
        others: &mut SocketSet<'_>,
        on_event: impl FnMut(Event),
    ) -> Wake {
        let wake = self.ingress(now, iface, device, others);
        let wake = wake.min(self.serve(now, iface, device, on_event));
        wake.min(egress(now, iface, device, others))
    }

    /// Gives the connections alone a turn, and sends what they have to send, between
    /// [`ingress`](Self::ingress) and the [`egress`] of other sockets. Returns when to call again.
    ///
    /// `on_event` is called for each connection that came or went.
    pub fn serve<D: Device + ?Sized>(
        &mut self,
        now: Instant,
        iface: &mut Interface,
        device: &mut D,
        mut on_event: impl FnMut(Event),
    ) -> Wake {
        self.table.queue_due(now, &mut self.work);
        // Each step is taken for all slots before the next one: the processor then has its code at
        // hand, which a device's system calls drive out of the caches.
        let mut served = Vec::<u32, TURNS>::new();
        while !served.is_full()
            && let Some(number) = self.next(served.len().is_multiple_of(2))
        {
            self.turn(number, now, iface, device, &mut on_event);
            // There is room: the loop has looked.
            let _ = served.push(number);
        }
        for &number in &served {
            // A segment at most: mostly that is all there is.
            self.send(number, now, iface, device);
        }
        for &number in &served {
            self.settle(number, now, iface, device);
        }
        if served.is_full() || !self.work.is_empty() {
            return Wake::Again;
        }
        let report_at = self.reports.turn(now, iface, device);
        earlier(self.table.earliest(), report_at).into()
    }

    /// Returns the next slot that gets a turn. While there is a line buffer, those that wait for it
    /// take turns with the others: each side alone would keep the other from it.
    fn next(&mut self, waiting_first: bool) -> Option<u32> {
        let slots = &mut *self.table.slots;
        if self.waiting.is_empty() || self.service.lines.is_empty() {
            return self.work.pop(slots);
        }
        let (first, second) = if waiting_first {
            (&mut self.waiting, &mut self.work)
        } else {
            (&mut self.work, &mut self.waiting)
        };
        first.pop(slots).or_else(|| second.pop(slots))
    }

    /// Gives a slot its turn.
    fn turn<D: Device + ?Sized>(
        &mut self,
        number: u32,
        now: Instant,
        iface: &mut Interface,
        device: &mut D,
        on_event: &mut dyn FnMut(Event),
    ) {
        let mut turn = Turn {
            service: &mut self.service,
            now,
            full: self.table.free_len == 0,
            line_wanted: !self.waiting.is_empty(),
            probe: None,
            on_event,
        };
        let Some((slot, set)) = self.table.slot_and_set(number) else {
            return;
        };
        if let Some(tcp) = tcp_sockets(set).next() {
            slot.turn(number as usize, tcp, &mut turn);
        }
        if slot.waits_for_line() {
            self.waiting.push(self.table.slots, number);
        }
        if let Some((_, probe)) = turn.probe
            && let Some(entry) = self.table.get(number)
        {
            // The stack drops a probe for a peer whose address it lacks, and the one request that
            // it makes a second may be for another. A peer that gets none is taken for dead.
            entry.tell_hardware(now, iface, device, &self.announced);
            if let Some(set) = &mut entry.set
                && !probe.send(now, iface, device, set)
            {
                entry.slot.probe_again(now);
            }
        }
    }

    /// Sends a segment of a slot, if it has one to send.
    fn send<D: Device + ?Sized>(
        &mut self,
        number: u32,
        now: Instant,
        iface: &mut Interface,
        device: &mut D,
    ) {
        let Some(entry) = self.table.get(number) else {
            return;
        };
        let Some(set) = &mut entry.set else {
            return;
        };
        let at = stack_time(now);
        let mut sender = Sender::new(device);
        let sent = iface.poll_egress(at, &mut sender, set) != PollResult::None;
        // The stack had a frame to send, and the device would have taken it: it is the hardware
        // address that is missing. A request for it is on its way, if the last one was more than a
        // second ago.
        if sender.was_wanted
            && !sent
            && let Some(hop) = entry.tell_hardware(now, iface, device, &self.announced)
        {
            if entry.is_with(hop) {
                self.neighbours_short_until = now + NEIGHBOURS_SHORT;
            }
            if let Some(set) = &mut entry.set {
                iface.poll_egress(at, &mut Sender::new(device), set);
            }
        }
    }

    /// Sends what a slot has left to send, and schedules its next turn.
    fn settle<D: Device + ?Sized>(
        &mut self,
        number: u32,
        now: Instant,
        iface: &mut Interface,
        device: &mut D,
    ) {
        let short = now < self.neighbours_short_until;
        let Some(entry) = self.table.get(number) else {
            return;
        };
        let Some(set) = &mut entry.set else {
            return;
        };
        let mut wake = next_egress(now, iface, set);
        if wake == Wake::Again {
            if short {
                entry.tell_hardware(now, iface, device, &self.announced);
            }
            wake = match &mut entry.set {
                Some(set) => egress(now, iface, device, set),
                None => Wake::Frame,
            };
        }
        let HashedSlot {
            slot,
            set: Some(set),
            is_taken,
            ..
        } = entry
        else {
            return;
        };
        // Timeouts strike when a socket is to send, and RSTs leave: the slot has to react.
        if !slot.is_idle() && tcp_sockets(set).all(|tcp| tcp.remote_endpoint().is_none()) {
            wake = Wake::Again;
        }
        // The short deadline, which holds while no slot listens.
        if let Some(deadline) = slot.deadline(&self.service.options, true) {
            let is_late = deadline <= now;
            wake = wake.min(Wake::At(if is_late {
                retry_at(slot, now)
            } else {
                deadline
            }));
        }
        if slot.is_idle() && *is_taken {
            self.table.remove(number);
            self.table.put_free(number);
        }
        match wake {
            Wake::Again => self.work.push(self.table.slots, number),
            Wake::At(at) => self.table.set_due(number, Some(at)),
            Wake::Frame => self.table.set_due(number, None),
        }
    }

    /// Accepts no more connections, and asks the sessions to finish: what has arrived goes back,
    /// then they end with [`Reason::Shutdown`](linecho_core::Reason::Shutdown). Go on polling until
    /// the listener [is drained](Self::is_drained), or until your own limit.
    pub fn shutdown(&mut self) {
        self.service.accepting = false;
        for number in 0..self.table.slots.len() as u32 {
            if let Some(HashedSlot { slot, .. }) = self.table.get(number)
                && !slot.is_idle()
            {
                slot.shutdown();
                self.work.push(self.table.slots, number);
            }
        }
    }

    /// Returns `true` once no connection is left after [`shutdown`](Self::shutdown).
    #[must_use]
    pub fn is_drained(&self) -> bool {
        !self.service.accepting && self.busy() == 0
    }

    /// Returns the number of sessions: connections that were accepted, and are served.
    #[must_use]
    pub fn sessions(&self) -> usize {
        self.service.sessions()
    }

    /// Returns the number of slots that hold a connection: also one that is half-open or closing.
    #[must_use]
    pub fn busy(&self) -> usize {
        self.table.slots.len().saturating_sub(self.table.free_len)
    }

    /// Returns the counts of connections and their ends so far.
    #[must_use]
    pub fn totals(&self) -> &Totals {
        &self.service.totals
    }
}

/// Returns when to look again at a slot whose deadline has gone by, though it had its turn.
#[cold]
fn retry_at(slot: &Slot<'_>, now: Instant) -> Instant {
    if slot.is_probe_due(now) {
        now + DEVICE_RETRY
    } else if slot.is_transient() {
        now + LATE_RETRY
    } else {
        now
    }
}
