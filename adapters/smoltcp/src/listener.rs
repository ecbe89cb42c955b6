//! Several sockets on one port, each of which serves one connection at a time.

use core::mem;

use heapless::Vec;
use linecho_core::{Instant, Totals};
use smoltcp::iface::{Interface, SocketHandle, SocketSet};
use smoltcp::phy::Device;
use smoltcp::socket::AnySocket;
use smoltcp::socket::tcp::{self, ListenError};
use smoltcp::wire::IpListenEndpoint;

use crate::arrival::Heard;
use crate::event::Event;
use crate::lifecycle::{Stage, arm, stage};
use crate::options::Options;
use crate::service::{Service, Turn};
use crate::slot::Slot;
use crate::time::earlier;
use crate::turn::{Wake, egress, take_in};

/// A line echo on one port, for a handful of connections: take it for up to about 16, and
/// [`HashedListener`](crate::HashedListener) for more.
///
/// smoltcp has no backlog: a socket that listens takes one connection, and a SYN that finds no
/// socket listening is refused with an RST. A listener keeps `SLOTS` sockets, serves each
/// connection with a [`Session`](linecho_core::Session), and lets its socket listen again as soon
/// as the connection is over.
///
/// Interface, device and socket set stay yours; other sockets and listeners may be in the set. The
/// sockets of a listener must stay in it: one that is removed is served no more.
#[derive(Debug)]
pub struct Listener<'a, const SLOTS: usize> {
    service: Service<Vec<&'a mut [u8], SLOTS>>,
    /// No slot listens.
    full: bool,
    /// Sessions wait for a line buffer.
    line_wanted: bool,
    /// In ascending order, which is that of the socket set.
    handles: Vec<SocketHandle, SLOTS>,
    slots: Vec<Slot<'a>, SLOTS>,
    heard: Heard,
}

impl<'a, const SLOTS: usize> Listener<'a, SLOTS> {
    /// Puts `sockets`, at most `SLOTS` of them, into `set`, and lets them listen on `endpoint`: a
    /// port, or an address and a port.
    ///
    /// `lines` are the line buffers, whose length is that of the longest line. A session has one
    /// only while it holds bytes. With as many as slots, none ever waits for one; with fewer, they
    /// go round, and a peer that leaves a line unfinished keeps one until the idle timeout.
    ///
    /// # Errors
    ///
    /// [`ListenError::Unaddressable`] if the port is 0.
    ///
    /// # Panics
    ///
    /// As [`SocketSet::add`] does, if the set has no room for the sockets.
    pub fn new<'b, B>(
        endpoint: impl Into<IpListenEndpoint>,
        options: impl Into<Options>,
        set: &mut SocketSet<'b>,
        sockets: impl IntoIterator<Item = tcp::Socket<'b>>,
        lines: impl IntoIterator<Item = &'a mut B>,
    ) -> Result<Self, ListenError>
    where
        B: AsMut<[u8]> + ?Sized + 'a,
    {
        let endpoint = endpoint.into();
        if endpoint.port == 0 {
            return Err(ListenError::Unaddressable);
        }
        // In place, since firmware has little stack.
        let mut listener = Self {
            service: Service::new(endpoint, options.into()),
            full: false,
            line_wanted: false,
            handles: Vec::new(),
            slots: Vec::new(),
            heard: Heard::default(),
        };
        for socket in sockets.into_iter().take(SLOTS) {
            let handle = set.add(socket);
            arm(
                set.get_mut(handle),
                listener.service.endpoint,
                &listener.service.options,
            );
            // `take` leaves room, here and below.
            let _ = listener.handles.push(handle);
            let _ = listener.slots.push(Slot::default());
        }
        listener.service.add_lines(lines);
        Ok(listener)
    }

    /// Gives everything a turn, for a program whose only sockets are those of this listener: takes
    /// in frames, serves the connections, sends. The work is bounded. Returns when to call again.
    pub fn poll<D: Device + ?Sized>(
        &mut self,
        now: Instant,
        iface: &mut Interface,
        device: &mut D,
        sockets: &mut SocketSet<'_>,
        on_event: impl FnMut(Event),
    ) -> Wake {
        let wake = self.ingress(now, iface, device, sockets);
        let wake = wake.min(self.serve(now, iface, device, sockets, on_event));
        wake.min(egress(now, iface, device, sockets))
    }

    /// Takes in the frames that wait in the device, at most 64 of them, for all `sockets`. Replaces
    /// the function [`ingress`](crate::ingress), and costs less: it remembers who sent the last
    /// segment.
    pub fn ingress<D: Device + ?Sized>(
        &mut self,
        now: Instant,
        iface: &mut Interface,
        device: &mut D,
        sockets: &mut SocketSet<'_>,
    ) -> Wake {
        take_in(&mut self.heard, now, iface, device, sockets)
    }

    /// Gives the connections alone a turn, between [`ingress`](Self::ingress) and
    /// [`egress`](crate::egress). Returns when to call again.
    ///
    /// `on_event` is called for each connection that came or went.
    pub fn serve<D: Device + ?Sized>(
        &mut self,
        now: Instant,
        iface: &mut Interface,
        device: &mut D,
        sockets: &mut SocketSet<'_>,
        mut on_event: impl FnMut(Event),
    ) -> Wake {
        let mut turn = Turn {
            service: &mut self.service,
            now,
            full: self.full,
            line_wanted: self.line_wanted,
            probe: None,
            on_event: &mut on_event,
        };
        let (mut full, mut last_rank, mut in_order) = (true, Rank::HalfOpen, true);
        let (mut deadline, mut line_wanted) = (None, false);
        for (number, tcp) in with_sockets(&self.handles, sockets) {
            let Some(slot) = self.slots.get_mut(number) else {
                continue;
            };
            let rank = if slot.rests(tcp, turn.service) {
                Rank::Listening
            } else {
                slot.turn(number, tcp, &mut turn);
                deadline = earlier(deadline, slot.deadline(&turn.service.options, self.full));
                line_wanted |= slot.waits_for_line();
                let Some(rank) = rank(tcp) else { continue };
                rank
            };
            full &= rank != Rank::Listening;
            in_order &= last_rank <= rank;
            last_rank = rank;
        }
        if let Some((number, probe)) = turn.probe
            && !probe.send(now, iface, device, sockets)
            && let Some(slot) = self.slots.get_mut(number)
        {
            // Others that are due for one wait for the device as well.
            deadline = slot.probe_again(now);
        }
        self.line_wanted = line_wanted;
        if !in_order {
            self.sort(sockets);
        }
        // Half-open and closing slots have other deadlines now: those count from the next turn on.
        let turned = mem::replace(&mut self.full, full) != full;
        if turned || (self.line_wanted && !self.service.lines.is_empty()) {
            return Wake::Again;
        }
        if cfg!(feature = "guard") {
            deadline = earlier(deadline, self.heard.reports.turn(now, iface, device));
        }
        deadline.into()
    }

    /// Sorts half-open connections before the sockets that listen, and those in TIME-WAIT behind
    /// them. Their slots see that at the next turn.
    ///
    /// smoltcp gives a segment to the first socket in the set that accepts it. A SYN that the peer
    /// retransmits, since our SYN|ACK got lost, would open a second connection, whose answers
    /// contradict those of the first. And a socket in TIME-WAIT would ignore a SYN for a new one.
    fn sort(&self, sockets: &mut SocketSet<'_>) {
        // A bubble sort: each pass brings at least one more to its place.
        for _ in 0..SLOTS {
            let mut in_order = true;
            let mut last: Option<(Rank, &mut tcp::Socket<'_>)> = None;
            for (_, tcp) in with_sockets(&self.handles, sockets) {
                let Some(mut rank) = rank(tcp) else { continue };
                if let Some((last_rank, last)) = last
                    && last_rank > rank
                {
                    mem::swap(last, tcp);
                    rank = last_rank;
                    in_order = false;
                }
                last = Some((rank, tcp));
            }
            if in_order {
                break;
            }
        }
    }

    /// Accepts no more connections, and asks the sessions to finish: what has arrived goes back,
    /// then they end with [`Reason::Shutdown`](linecho_core::Reason::Shutdown). Go on polling until
    /// the listener [is drained](Self::is_drained), or until your own limit.
    pub fn shutdown(&mut self) {
        self.service.accepting = false;
        self.slots.iter_mut().for_each(Slot::shutdown);
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
        self.slots.iter().filter(|slot| !slot.is_idle()).count()
    }

    /// Returns the counts of connections and their ends so far.
    #[must_use]
    pub fn totals(&self) -> &Totals {
        &self.service.totals
    }
}

/// The order in which sockets without a session stand in the set.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    HalfOpen,
    Listening,
    TimeWait,
}

fn rank(tcp: &tcp::Socket<'_>) -> Option<Rank> {
    match stage(tcp) {
        Stage::HalfOpen => Some(Rank::HalfOpen),
        Stage::Listening => Some(Rank::Listening),
        Stage::TimeWait => Some(Rank::TimeWait),
        _ => None,
    }
}

/// Returns the sockets in `set` that `handles` name, each with the number of its handle. Unlike
/// `SocketSet::get_mut`, it does not panic when a socket has been removed.
fn with_sockets<'x, 'b>(
    handles: &'x [SocketHandle],
    set: &'x mut SocketSet<'b>,
) -> impl Iterator<Item = (usize, &'x mut tcp::Socket<'b>)> {
    let mut rest = handles;
    set.iter_mut().filter_map(move |(handle, socket)| {
        // Those before it have been removed from the set.
        while let [first, after @ ..] = rest
            && *first < handle
        {
            rest = after;
        }
        let number = handles.len().wrapping_sub(rest.len());
        let own = (*rest.first()? == handle).then_some(socket)?;
        Some((number, tcp::Socket::downcast_mut(own)?))
    })
}
