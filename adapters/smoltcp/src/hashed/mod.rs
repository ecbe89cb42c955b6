//! Thousands of connections on one port, at a cost for each line that does not grow with them.

mod flow;
mod frame;
mod table;

use core::time::Duration;

use heapless::Vec;
use linecho_core::{Instant, Totals};
use smoltcp::iface::{Interface, SocketSet, SocketStorage};
use smoltcp::phy::{Device, DeviceCapabilities, RxToken};
use smoltcp::socket::tcp::{self, ListenError};
use smoltcp::wire::IpListenEndpoint;

use self::flow::Segment;
use self::frame::{Frame, OneFrame};
use self::table::{Queue, Table};
use crate::carrier::Carrier;
use crate::slot::Shared;
use crate::socket::{Stage, arm, stage, tcp_sockets};
use crate::stack::{INGRESS_FRAMES, Wake, egress, next_egress, stack_time};
use crate::{Event, Options};

pub use self::table::HashedSlot;

/// How many slots get a turn in one [`HashedListener::poll`].
const TURNS: usize = 2 * INGRESS_FRAMES;

/// A slot that is half-open or closing is looked at again after this time, when it had no more time
/// if slots were short, but they are not.
const LATE_RETRY: Duration = Duration::from_secs(1);

/// A line echo on one port, for thousands of connections.
///
/// smoltcp goes over every socket of a set for each frame, each send and each question when to send.
/// Here each socket has a set of its own. A frame is given to the set whose connection it belongs
/// to, found by a hash of its address pair, and only slots with something to do get a turn. In all
/// else this is a [`Listener`](crate::Listener); for a handful of connections that one is smaller.
///
/// Frames that are not for the listener go to the set `others` of [`poll`](Self::poll): there may be
/// other sockets in it, such as one for DHCP, and listeners on other ports.
///
/// `LINES` is how many line buffers the sessions share.
#[derive(Debug)]
pub struct HashedListener<'a, const LINES: usize> {
    endpoint: IpListenEndpoint,
    options: Options,
    accepting: bool,
    table: Table<'a>,
    work: Queue,
    waiting: Queue,
    /// The line buffers that no session holds.
    lines: Vec<&'a mut [u8], LINES>,
    totals: Totals,
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
        let (endpoint, options) = (endpoint.into(), options.into());
        if endpoint.port == 0 {
            return Err(ListenError::Unaddressable);
        }
        let mut len = 0;
        let places = slots.iter_mut().zip(storage.chunks_mut(1));
        for ((slot, storage), mut socket) in places.zip(sockets) {
            arm(&mut socket, endpoint, &options);
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
        let mut listener = Self {
            endpoint,
            options,
            accepting: true,
            table,
            work: Queue::WORK,
            waiting: Queue::WAITING,
            lines: Vec::new(),
            totals: Totals::default(),
        };
        for line in lines.into_iter().take(LINES) {
            // `take` sees to it that there is room.
            let _ = listener.lines.push(line.as_mut());
        }
        Ok(listener)
    }

    /// One turn of everything: takes in frames, serves the connections that have something to do,
    /// sends, also for the sockets in `others`. Its work is bounded. Says when to call again.
    ///
    /// `on_event` is told of each connection that came or went.
    pub fn poll<D: Device + ?Sized>(
        &mut self,
        now: Instant,
        iface: &mut Interface,
        device: &mut D,
        others: &mut SocketSet<'_>,
        mut on_event: impl FnMut(Event),
    ) -> Wake {
        let mut wake = self.ingress(now, iface, device, others);
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
            if let Some(set) = self.table.set(number) {
                // A segment at most: mostly that is all there is.
                iface.poll_egress(stack_time(now), &mut Carrier::new(device), set);
            }
        }
        for &number in &served {
            self.settle(number, now, iface, device);
        }
        if served.is_full() || !self.work.is_empty() {
            wake = Wake::Again;
        }
        wake = wake.min(self.table.earliest().into());
        wake.min(egress(now, iface, device, others))
    }

    /// Gives each frame to the set that it is for, and notes that there is something to do.
    fn ingress<D: Device + ?Sized>(
        &mut self,
        now: Instant,
        iface: &mut Interface,
        device: &mut D,
        others: &mut SocketSet<'_>,
    ) -> Wake {
        let at = stack_time(now);
        iface.poll_maintenance(at);
        let capabilities = device.capabilities();
        for _ in 0..INGRESS_FRAMES {
            let Some((rx, tx)) = device.receive(at) else {
                return Wake::Frame;
            };
            let meta = rx.meta();
            rx.consume(|bytes| {
                let frame = Some(Frame { bytes, meta });
                let capabilities = &capabilities;
                let mut one = OneFrame {
                    frame,
                    tx: Some(tx),
                    capabilities,
                };
                self.take_in(bytes, capabilities, others, |set| {
                    iface.poll_ingress_single(at, &mut one, set);
                });
            });
        }
        Wake::Again
    }

    /// Finds the set for a frame, lets the `stack` process it there, and sees what it has done.
    fn take_in(
        &mut self,
        frame: &[u8],
        capabilities: &DeviceCapabilities,
        others: &mut SocketSet<'_>,
        stack: impl FnOnce(&mut SocketSet<'_>),
    ) {
        let Some(segment) = Segment::parse(frame, capabilities.medium, self.endpoint) else {
            return stack(others);
        };
        if let Some(number) = self.table.find(&segment.flow) {
            if let Some(set) = self.table.set(number) {
                stack(set);
            }
            self.work.push(self.table.slots, number);
        } else if segment.is_syn
            && self.accepting
            && let Some(number) = self.table.take_free()
        {
            let set = self.table.set(number);
            let half_open = set.is_some_and(|set| {
                stack(set);
                tcp_sockets(set).any(|tcp| stage(tcp) == Stage::HalfOpen)
            });
            if half_open {
                self.table.insert(number, segment.flow);
                self.work.push(self.table.slots, number);
            } else {
                self.table.put_free(number);
            }
        } else {
            // No socket takes it: the stack answers with an RST.
            stack(others);
        }
    }

    /// The next slot that gets a turn. While there is a line buffer, those that wait for it take
    /// turns with the others: each side alone would keep the other from it.
    fn next(&mut self, waiting_first: bool) -> Option<u32> {
        let slots = &mut *self.table.slots;
        if self.lines.is_empty() {
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
        let mut shared = Shared {
            now,
            endpoint: self.endpoint,
            options: &self.options,
            accepting: self.accepting,
            crowded: self.table.free_len == 0,
            scarce: !self.waiting.is_empty(),
            lines: &mut self.lines,
            totals: &mut self.totals,
            question: None,
            on_event,
        };
        let Some((slot, set)) = self.table.slot_and_set(number) else {
            return;
        };
        if let Some(tcp) = tcp_sockets(set).next() {
            slot.turn(number as usize, tcp, &mut shared);
        }
        if let Some(question) = shared.question {
            question.ask(now, iface, device, set);
        }
        if slot.waits_for_line() {
            self.waiting.push(self.table.slots, number);
        }
    }

    /// Sends what a slot has left to send, and sees to it that it gets its next turn.
    fn settle<D: Device + ?Sized>(
        &mut self,
        number: u32,
        now: Instant,
        iface: &mut Interface,
        device: &mut D,
    ) {
        let Some((slot, set)) = self.table.slot_and_set(number) else {
            return;
        };
        let mut wake = next_egress(now, iface, set);
        if wake == Wake::Again {
            wake = egress(now, iface, device, set);
        }
        // Timeouts strike when a socket is to send, and RSTs leave: the slot has to know.
        if !slot.is_idle() && tcp_sockets(set).all(|tcp| tcp.remote_endpoint().is_none()) {
            wake = Wake::Again;
        }
        // As if slots were short. If they are not, a slot that is late is looked at again later.
        if let Some(deadline) = slot.deadline(&self.options, true) {
            let late = deadline <= now && slot.is_waited_for();
            wake = wake.min(Wake::At(if late { now + LATE_RETRY } else { deadline }));
        }
        if slot.is_idle() && self.table.remove(number) {
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
    /// the listener [is drained](Self::is_drained), or for as long as you care to wait.
    pub fn shutdown(&mut self) {
        self.accepting = false;
        for number in 0..self.table.slots.len() as u32 {
            if let Some(HashedSlot { slot, .. }) = self.table.get(number)
                && !slot.is_idle()
            {
                slot.shutdown();
                self.work.push(self.table.slots, number);
            }
        }
    }

    /// Whether no connection is left, after [`shutdown`](Self::shutdown).
    #[must_use]
    pub fn is_drained(&self) -> bool {
        !self.accepting && self.table.free_len == self.table.slots.len()
    }

    /// How many slots hold a connection, or a part of one that begins or ends.
    #[must_use]
    pub fn busy(&self) -> usize {
        self.table.slots.len().saturating_sub(self.table.free_len)
    }

    /// What the listener has done so far.
    #[must_use]
    pub fn totals(&self) -> &Totals {
        &self.totals
    }
}
