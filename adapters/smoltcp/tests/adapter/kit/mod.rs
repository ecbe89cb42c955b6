//! A listener and its clients on a link in memory, in virtual time.
//!
//! [`Kit::step`] gives each side a turn; when neither has anything to do at this instant, the clock
//! moves on to when one has. [`Kit::drive`] steps until something holds, and cannot hang.

pub(crate) mod ether;
mod host;
pub(crate) mod raw;
mod server;

use std::collections::VecDeque;
use std::time::Duration;

use linecho_devices::faulty::VirtualClock;
use linecho_smoltcp::smoltcp::iface::{SocketHandle, SocketSet};
use linecho_smoltcp::smoltcp::socket::Socket as AnySocket;
use linecho_smoltcp::smoltcp::socket::tcp::{self, State};
use linecho_smoltcp::smoltcp::time::Instant as StackInstant;
use linecho_smoltcp::smoltcp::wire::{IpAddress, IpEndpoint};
use linecho_smoltcp::{
    Event, HashedListener, Instant, Listener, Options, Reason, Wake, from_stack_time, stack_time,
};

pub(crate) use host::{Host, tcp_socket};
pub(crate) use server::{Server, hashed_listener, listen};

/// Tests that both kinds of listener pass, those that `plain` and `hashed` of the test make.
macro_rules! on_both {
    ($($name:ident,)*) => {
        mod a_listener {
            $(#[test] fn $name() { super::$name(super::plain()); })*
        }
        mod a_hashed_listener {
            $(#[test] fn $name() { super::$name(super::hashed()); })*
        }
    };
}

pub(crate) const PORT: u16 = 7;
pub(crate) const SERVER: IpAddress = IpAddress::v4(10, 0, 0, 1);
pub(crate) const CLIENT: IpAddress = IpAddress::v4(10, 0, 0, 2);
pub(crate) const MTU: usize = 1500;
pub(crate) const BUFFER: usize = 4096;
pub(crate) const LINE: usize = 256;

/// A client connection, and what its side has done with it.
pub(crate) struct Client {
    pub(crate) handle: SocketHandle,
    pub(crate) to_send: VecDeque<u8>,
    pub(crate) received: Vec<u8>,
    /// Closes its sending side when everything is sent.
    pub(crate) half_close: bool,
    /// Leaves what arrives in the socket.
    pub(crate) reads: bool,
}

pub(crate) type Lose = dyn FnMut(bool, &[u8]) -> bool;

pub(crate) struct Kit<const SLOTS: usize, L = Listener<'static, SLOTS>> {
    pub(crate) clock: VirtualClock,
    pub(crate) server: Host,
    pub(crate) listener: L,
    pub(crate) clients: Host,
    pub(crate) client: Vec<Client>,
    pub(crate) events: Vec<Event>,
    /// Every frame that the server sent, oldest first.
    pub(crate) seen: Vec<Vec<u8>>,
    /// Decides which frames get lost. The first argument is `true` for a frame to the server.
    pub(crate) lose: Box<Lose>,
    pub(crate) turns: usize,
    wake: Wake,
    next_port: u16,
    stand_still: StandStill,
}

/// Counts steps at the same instant, and ends a test in which nothing moves the clock.
#[derive(Default)]
pub(crate) struct StandStill {
    at: Option<Instant>,
    steps: u32,
}

impl StandStill {
    const MOST: u32 = 5_000;

    pub(crate) fn step(&mut self, now: Instant) {
        let is_new = self.at.replace(now) != Some(now);
        self.steps = if is_new { 0 } else { self.steps + 1 };
        assert!(self.steps < Self::MOST, "the server wants turns for ever");
    }
}

impl<const SLOTS: usize> Kit<SLOTS> {
    pub(crate) fn new(options: Options) -> Self {
        Self::with_lines(options, SLOTS)
    }

    pub(crate) fn with_lines(options: Options, lines: usize) -> Self {
        let mut server = Host::new(SERVER);
        let listener = listen(&mut server.sockets, PORT, options, lines);
        Self::with(server, listener)
    }

    /// Half-closes a connection, and waits until it is over on both sides.
    #[track_caller]
    pub(crate) fn finish(&mut self, number: usize) {
        self.half_close(number);
        self.drive("the end", Duration::from_secs(30), |kit| {
            kit.is_over(number)
        });
        self.drive("the slot is free", Duration::from_secs(30), |kit| {
            kit.server_states()
                .iter()
                .all(|state| matches!(state, State::Listen | State::Established | State::CloseWait))
        });
    }
}

impl<const LINES: usize> Kit<LINES, HashedListener<'static, LINES>> {
    pub(crate) fn hashed(options: Options, slots: usize) -> Self {
        Self::with(Host::new(SERVER), hashed_listener(options, slots))
    }
}

impl<const SLOTS: usize, L: Server> Kit<SLOTS, L> {
    fn with(server: Host, listener: L) -> Self {
        Self {
            clock: VirtualClock::new(StackInstant::from_secs(1)),
            server,
            listener,
            clients: Host::new(CLIENT),
            client: vec![],
            events: vec![],
            seen: vec![],
            lose: Box::new(|_, _| false),
            turns: 0,
            wake: Wake::Again,
            next_port: 40_000,
            stand_still: StandStill::default(),
        }
    }

    pub(crate) fn now(&self) -> Instant {
        from_stack_time(self.clock.now())
    }

    /// Starts a connection; the number by which `self.client` knows it.
    pub(crate) fn connect(&mut self) -> usize {
        let handle = self.clients.sockets.add(tcp_socket(BUFFER));
        self.client.push(Client {
            handle,
            to_send: VecDeque::new(),
            received: vec![],
            half_close: false,
            reads: true,
        });
        let number = self.client.len() - 1;
        self.reconnect(number);
        number
    }

    /// Starts another connection in place of one that is over.
    pub(crate) fn reconnect(&mut self, number: usize) {
        let client = &mut self.client[number];
        client.to_send.clear();
        client.received.clear();
        client.half_close = false;
        self.next_port = if self.next_port == 60_000 {
            40_000
        } else {
            self.next_port + 1
        };
        let socket = self.clients.sockets.get_mut::<tcp::Socket>(client.handle);
        socket.abort();
        socket.set_nagle_enabled(false);
        let server = self.server.iface.ip_addrs()[0].address();
        let remote = IpEndpoint::new(server, PORT);
        socket
            .connect(self.clients.iface.context(), remote, self.next_port)
            .unwrap();
    }

    pub(crate) fn send(&mut self, number: usize, bytes: &[u8]) {
        self.client[number].to_send.extend(bytes);
    }

    pub(crate) fn half_close(&mut self, number: usize) {
        self.client[number].half_close = true;
    }

    pub(crate) fn state(&self, number: usize) -> State {
        self.clients
            .sockets
            .get::<tcp::Socket>(self.client[number].handle)
            .state()
    }

    pub(crate) fn is_over(&self, number: usize) -> bool {
        matches!(self.state(number), State::Closed | State::TimeWait)
    }

    /// Resets a client's connection.
    pub(crate) fn reset(&mut self, number: usize) {
        self.clients
            .sockets
            .get_mut::<tcp::Socket>(self.client[number].handle)
            .abort();
    }

    pub(crate) fn server_states(&self) -> Vec<State> {
        states(&self.server.sockets)
    }

    pub(crate) fn reasons(&self) -> Vec<Reason> {
        let closed = self.events.iter().filter_map(|event| match event {
            Event::Closed { reason, .. } => Some(*reason),
            Event::Opened { .. } => None,
        });
        closed.collect()
    }

    /// A turn of each side, and of the link between them; then the clock moves if nobody is busy.
    pub(crate) fn step(&mut self, until: Instant) {
        self.stand_still.step(self.now());
        self.client_turn();
        self.carry();
        // No sooner than it asked for: a wake that is missing or late shows.
        if self.wake <= Wake::At(self.now()) || !self.server.device.rx.borrow().is_empty() {
            self.server_turn();
        }
        self.carry();
        self.tick(until);
    }

    pub(crate) fn server_turn(&mut self) {
        let now = self.now();
        let events = &mut self.events;
        let on_event = &mut |event| events.push(event);
        self.wake = self.listener.poll(now, &mut self.server, on_event);
        self.turns += 1;
    }

    /// Something was changed from outside: the server gets a turn, as its owner would give it.
    pub(crate) fn wake_server(&mut self) {
        self.wake = Wake::Again;
    }

    fn client_turn(&mut self) {
        let host = &mut self.clients;
        host.iface
            .poll(self.clock.now(), &mut host.device, &mut host.sockets);
        for client in &mut self.client {
            let socket = host.sockets.get_mut::<tcp::Socket>(client.handle);
            while socket.can_send() && !client.to_send.is_empty() {
                let (bytes, _) = client.to_send.as_slices();
                let n = socket.send_slice(bytes).unwrap();
                client.to_send.drain(..n);
            }
            while client.reads && socket.can_recv() {
                let read = socket.recv(|bytes| (bytes.len(), bytes.to_vec()));
                client.received.extend(read.unwrap());
            }
            if client.half_close && client.to_send.is_empty() && socket.may_send() {
                socket.close();
            }
        }
        host.iface
            .poll(self.clock.now(), &mut host.device, &mut host.sockets);
    }

    /// Takes frames from end to end.
    fn carry(&mut self) {
        let (server, clients) = (&mut self.server.device, &mut self.clients.device);
        for frame in clients.tx.borrow_mut().drain(..) {
            if !(self.lose)(true, &frame) {
                server.rx.borrow_mut().push_back(frame);
            }
        }
        for frame in server.tx.borrow_mut().drain(..) {
            self.seen.push(frame.clone());
            if !(self.lose)(false, &frame) {
                clients.rx.borrow_mut().push_back(frame);
            }
        }
    }

    fn tick(&mut self, until: Instant) {
        let busy = !self.server.device.rx.borrow().is_empty()
            || !self.clients.device.rx.borrow().is_empty()
            || self.client.iter().any(|client| {
                let socket = self.clients.sockets.get::<tcp::Socket>(client.handle);
                (socket.can_recv() && client.reads)
                    || (socket.can_send() && !client.to_send.is_empty())
            });
        let wake = if busy { Wake::Again } else { self.wake };
        let now = self.clock.now();
        let clients = self.clients.iface.poll_at(now, &self.clients.sockets);
        self.clock
            .pass(
                [deadline(wake, self.now()), clients],
                until.saturating_duration_since(self.now()),
            )
            .unwrap();
    }

    /// Steps until `done`; panics with `what` when that has not come within `limit`.
    #[track_caller]
    pub(crate) fn drive(
        &mut self,
        what: &str,
        limit: Duration,
        mut done: impl FnMut(&mut Self) -> bool,
    ) {
        let until = self.now() + limit;
        while !done(self) {
            assert!(
                self.now() < until,
                "not within {limit:?}: {what}; server {:?}, events {:?}",
                self.server_states(),
                self.events,
            );
            self.step(until);
        }
    }

    /// Steps for as long as `time` takes.
    pub(crate) fn pass(&mut self, time: Duration) {
        let until = self.now() + time;
        while self.now() < until {
            self.step(until);
        }
    }

    /// Sends `line` on a connection, and waits for all of it to come back.
    #[track_caller]
    pub(crate) fn echo(&mut self, number: usize, line: &[u8]) {
        let before = self.client[number].received.len();
        self.send(number, line);
        self.drive("the echo", Duration::from_secs(30), |kit| {
            kit.client[number].received.len() >= before + line.len()
        });
        assert_eq!(&self.client[number].received[before..], line);
    }

    /// Serves a new client, which tries again while it is refused.
    #[track_caller]
    pub(crate) fn serve_newcomer(&mut self, limit: Duration) -> usize {
        let number = self.connect();
        self.send(number, b"newcomer\n");
        self.drive("a newcomer is served", limit, |kit| {
            if kit.state(number) == State::Closed {
                kit.pass(Duration::from_millis(100));
                kit.reconnect(number);
                kit.send(number, b"newcomer\n");
            }
            kit.client[number].received == b"newcomer\n"
        });
        number
    }
}

/// The time at which a turn is due, for the clock of the stack.
pub(crate) fn deadline(wake: Wake, now: Instant) -> Option<StackInstant> {
    wake.timeout(now).map(|wait| stack_time(now + wait))
}

pub(crate) fn states(sockets: &SocketSet<'_>) -> Vec<State> {
    let states = sockets.iter().map(|(_, socket)| match socket {
        AnySocket::Tcp(tcp) => tcp.state(),
        #[allow(unreachable_patterns, reason = "other kinds depend on features")]
        _ => State::Closed,
    });
    states.collect()
}
