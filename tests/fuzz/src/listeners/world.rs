//! The link between the server, the honest peer and the hostile ones, in virtual time.

use core::net::{Ipv4Addr, Ipv6Addr};
use core::time::Duration;
use std::collections::VecDeque;

use linecho_devices::testing::Host;
use linecho_smoltcp::smoltcp::socket::tcp::State;
use linecho_smoltcp::{Event, Instant, Wake, from_stack_time, stack_time};

use super::client::Client;
use super::port::Port;
use super::{HONEST, SERVER, Server, Shape, hardware, ipv4, ipv6};
use crate::wire::{Seen, see};

/// More turns than anybody needs at one instant.
const TURNS_AT_ONE_INSTANT: usize = 1000;
/// The time to the next turn of one that is due at once and does nothing: at first, and at most. It
/// doubles from turn to turn.
const PAUSES: [Duration; 2] = [Duration::from_millis(1), Duration::from_millis(500)];
/// Frames that can be replayed.
const CAPTURED: usize = 16;
/// The time in which all slots must be free when nobody speaks any more: that of a half-open one
/// while others listen, and some more.
const ALL_FREE: Duration = Duration::from_secs(200);
/// The longest silence of an honest peer whose hardware address the listener does not keep.
const SILENCE: Duration = Duration::from_secs(2);
/// The time in which the honest peer must have its echo, after all that has happened.
const ECHO: Duration = Duration::from_secs(120);

pub(super) struct World<L> {
    now: Instant,
    pub(super) shape: Shape,
    listener: L,
    host: Host,
    pub(super) device: Port,
    pub(super) honest: Client,
    /// The honest peer's echo must be exact.
    pub(super) is_exact: bool,
    wake: Wake,
    pause: Duration,
    opened: u64,
    closed: u64,
    /// The last frames of the honest peer and of the server.
    pub(super) captured: VecDeque<Vec<u8>>,
    /// What the server has sent last to each peer.
    pub(super) seen: Vec<Seen>,
    /// The number behind all that the honest peer has sent.
    pub(super) honest_end: u32,
}

impl<L: Server> World<L> {
    pub(super) fn new(listener: L, host: Host, device: Port, shape: Shape) -> Self {
        Self {
            now: Instant::from_millis(1000),
            shape,
            listener,
            host,
            device,
            honest: Client::new(),
            is_exact: true,
            wake: Wake::Again,
            pause: PAUSES[0],
            opened: 0,
            closed: 0,
            captured: VecDeque::with_capacity(CAPTURED),
            seen: vec![],
            honest_end: 0,
        }
    }

    /// Checks that each session has ended, and was counted.
    pub(super) fn check_totals(&self) {
        assert_eq!(self.listener.sessions(), 0);
        let totals = self.listener.totals();
        assert_eq!((totals.opened, totals.closed()), (self.opened, self.closed));
        assert_eq!(self.opened, self.closed, "a session without an end");
    }

    /// Opens the honest connection, and waits until its first line is back.
    pub(super) fn connect(&mut self) {
        self.honest.connect(self.shape.is_ipv6());
        self.honest.say(b"hello\n");
        self.is_exact = true;
        self.until("a newcomer is served", Duration::from_secs(20), |world| {
            world.honest.state() == State::Established && world.honest.has_all()
        });
    }

    /// Ends the honest connection in order, if it has outlived everything.
    pub(super) fn finish(&mut self) {
        if self.is_exact {
            self.honest.say(b"the last line\n");
            self.until("the honest echo", ECHO, |world| world.honest.has_all());
            assert_eq!(self.honest.state(), State::Established);
            self.honest.close();
            self.until("the end", ECHO, |world| world.honest.is_over());
        }
        self.leave();
    }

    /// Ends the honest connection at once, and waits until all slots are free.
    pub(super) fn leave(&mut self) {
        self.honest.abort();
        self.until("all slots are free", ALL_FREE, |world| {
            world.listener.busy() == 0
        });
    }

    #[track_caller]
    fn until(&mut self, what: &str, limit: Duration, mut done: impl FnMut(&mut Self) -> bool) {
        let until = self.now + limit;
        self.turn();
        while !done(self) {
            assert!(self.now < until, "not within {limit:?}: {what}");
            self.advance(until);
        }
    }

    /// Lets time go by. A listener that keeps no hardware addresses may lose that of a silent peer
    /// among those of many others, and then the peer: the honest one speaks.
    pub(super) fn pass(&mut self, time: Duration) {
        let until = self.now + time;
        while self.now < until {
            if !L::KEEPS_ADDRESSES {
                self.honest.say(b"\n");
            }
            let part = until.min(self.now + SILENCE);
            self.turn();
            while self.now < part {
                self.advance(part);
            }
        }
    }

    /// Moves the clock to what happens next, at most to `until`, and lets it happen.
    fn advance(&mut self, until: Instant) {
        let client = self
            .honest
            .poll_at(stack_time(self.now))
            .map(from_stack_time);
        let server = match self.wake {
            Wake::Again => Some(self.now),
            Wake::At(at) => Some(at),
            Wake::Frame => None,
        };
        // A stack without the address of a neighbour is due at once, for a second.
        let soon = self.now + self.pause;
        let later = |at: Instant| if at > self.now { at } else { soon };
        let due = [client, server].into_iter().flatten().map(later);
        let next = due.fold(until, Instant::min);
        self.pause = PAUSES[1].min(2 * self.pause);
        self.now = next;
        self.honest.is_due |= client.is_some_and(|at| at <= next);
        self.turn();
    }

    /// Lets everybody do what can be done now.
    pub(super) fn turn(&mut self) {
        for _ in 0..TURNS_AT_ONE_INSTANT {
            self.honest.turn(stack_time(self.now), self.is_exact);
            self.carry_to_server();
            let waits = self.device.has_frame();
            if !waits && self.wake > Wake::At(self.now) {
                return;
            }
            let (opened, closed) = (&mut self.opened, &mut self.closed);
            let on_event = &mut |event| match event {
                Event::Opened { .. } => *opened += 1,
                Event::Closed { .. } => *closed += 1,
            };
            self.wake = self
                .listener
                .poll(self.now, &mut self.host, &mut self.device, on_event);
            self.carry_from_server();
        }
        panic!("a busy loop");
    }

    /// While the device is full, the honest frames wait: smoltcp, which sends them, may wait for
    /// ever after a loss, with data in flight and no timer.
    fn carry_to_server(&mut self) {
        if self.device.full {
            return;
        }
        while let Some(frame) = self.honest.device.take() {
            if let Some(seen) = see(&frame)
                && seen.ports[0] == self.honest.port
            {
                self.honest_end = seen.end;
            }
            self.capture(&frame);
            self.device.put(frame);
        }
    }

    fn carry_from_server(&mut self) {
        while let Some(frame) = self.device.take() {
            self.capture(&frame);
            if let Some(seen) = see(&frame) {
                let same = |it: &&mut Seen| (it.to, it.ports) == (seen.to, seen.ports);
                match self.seen.iter_mut().find(same) {
                    Some(known) => *known = seen,
                    None => self.seen.push(seen),
                }
            }
            let is_for_honest = frame.starts_with(&hardware(HONEST)) || frame[0] & 1 != 0;
            if is_for_honest {
                self.honest.device.put(frame);
            } else {
                self.device.reuse(frame);
            }
        }
    }

    fn capture(&mut self, frame: &[u8]) {
        self.pause = PAUSES[0];
        let mut room = Vec::new();
        if self.captured.len() == CAPTURED {
            room = self.captured.pop_front().unwrap_or_default();
        }
        room.clear();
        room.extend_from_slice(frame);
        self.captured.push_back(room);
    }

    /// Returns what the server has sent last to this peer.
    pub(super) fn seen_by(&self, peer: u8, port: u16) -> Option<&Seen> {
        let ports = [super::PORT, port];
        let addresses = [
            Ipv4Addr::from(ipv4(peer)).into(),
            Ipv6Addr::from(ipv6(peer)).into(),
        ];
        self.seen
            .iter()
            .rev()
            .find(|it| it.ports == ports && addresses.contains(&it.to))
    }

    /// Puts a frame on the link to the server.
    pub(super) fn put(&mut self, frame: Vec<u8>) {
        debug_assert_eq!(frame[..6], hardware(SERVER));
        self.device.put(frame);
        self.turn();
    }
}
