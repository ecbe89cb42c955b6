//! The client half, against the listener and against faulty servers.

use std::time::Duration;

use crate::kit::{CLIENT, Host, PORT, SERVER, listen, tcp_socket};
use linecho_smoltcp::linecho_core::embedded_io::ErrorKind;
use linecho_smoltcp::smoltcp::iface::SocketHandle;
use linecho_smoltcp::smoltcp::socket::tcp;
use linecho_smoltcp::{
    Client, ClientTurn, Instant, Listener, Options, ProbeError, Wake, egress, ingress,
};

/// A client and something on the other end of a perfect link, in virtual time.
struct Pair {
    now: Instant,
    server: Host,
    clients: Host,
    handle: SocketHandle,
    client: Client<[u8; 4096], 8>,
    round_trips: Vec<Duration>,
}

impl Pair {
    fn new() -> Self {
        let mut clients = Host::new(CLIENT);
        let handle = clients.sockets.add(tcp_socket(4096));
        let tcp = clients.sockets.get_mut::<tcp::Socket>(handle);
        let context = clients.iface.context();
        let client = Client::connect([0; 4096], tcp, context, (SERVER, PORT), 50_000).unwrap();
        Self {
            now: Instant::ZERO,
            server: Host::new(SERVER),
            clients,
            handle,
            client,
            round_trips: vec![],
        }
    }

    fn step(
        &mut self,
        mut serve: impl FnMut(&mut Host, Instant),
    ) -> Result<ClientTurn, ProbeError> {
        self.now = self.now + Duration::from_millis(1);
        let Host {
            iface,
            device,
            sockets,
        } = &mut self.server;
        let _ = ingress(self.now, iface, device, sockets);
        serve(&mut self.server, self.now);
        let Host {
            iface,
            device,
            sockets,
        } = &mut self.server;
        let _ = egress(self.now, iface, device, sockets);
        self.clients
            .device
            .rx
            .borrow_mut()
            .append(&mut self.server.device.tx.borrow_mut());
        let Host {
            iface,
            device,
            sockets,
        } = &mut self.clients;
        let _ = ingress(self.now, iface, device, sockets);
        let times = &mut self.round_trips;
        let turn = self
            .client
            .turn(self.now, sockets.get_mut(self.handle), |time| {
                times.push(time);
            });
        let _ = egress(self.now, iface, device, sockets);
        self.server
            .device
            .rx
            .borrow_mut()
            .append(&mut device.tx.borrow_mut());
        turn
    }

    /// Steps for up to ten seconds, until `done`.
    fn wait(
        &mut self,
        mut serve: impl FnMut(&mut Host, Instant),
        mut done: impl FnMut(&mut Self) -> bool,
    ) {
        for _ in 0..10_000 {
            if done(self) {
                return;
            }
            self.step(&mut serve).unwrap();
        }
        panic!("it waits for ever");
    }

    /// Steps for up to ten seconds, until the client says something other than
    /// [`ClientTurn::Wait`].
    fn drive(
        &mut self,
        mut serve: impl FnMut(&mut Host, Instant),
    ) -> Result<ClientTurn, ProbeError> {
        for _ in 0..10_000 {
            match self.step(&mut serve) {
                Ok(ClientTurn::Wait) => {}
                other => return other,
            }
        }
        panic!("the client still waits");
    }
}

fn echo(listener: &mut Listener<'_, 1>) -> impl FnMut(&mut Host, Instant) {
    |host, now| {
        let _: Wake = listener.serve(
            now,
            &mut host.iface,
            &mut host.device,
            &mut host.sockets,
            |_| (),
        );
    }
}

#[test]
fn lines_are_checked_and_timed_and_the_end_is_awaited() {
    let mut pair = Pair::new();
    let mut listener = listen::<1>(&mut pair.server.sockets, PORT, Options::DEFAULT, 1);
    let mut serve = echo(&mut listener);
    for line in [&b"one\n"[..], b"two\n", b"three\n"] {
        pair.client.probe().queue(line).unwrap();
    }
    assert_eq!(pair.drive(&mut serve), Ok(ClientTurn::Done));
    assert_eq!(pair.round_trips.len(), 3);
    assert!(pair.round_trips.iter().all(|time| time.as_millis() == 1));
    pair.client.probe().queue(b"unfinished").unwrap();
    pair.client.finish();
    assert_eq!(pair.drive(&mut serve), Ok(ClientTurn::Closed));
    assert_eq!(pair.client.probe().bytes(), 24);
}

#[test]
fn more_lines_than_fit_anywhere_go_through() {
    let mut pair = Pair::new();
    let mut listener = listen::<1>(&mut pair.server.sockets, PORT, Options::DEFAULT, 1);
    let mut serve = echo(&mut listener);
    let line = [&[b'x'; 200][..], b"\n"].concat();
    let mut queued = 0;
    pair.wait(&mut serve, |pair| {
        while queued < 2000 && pair.client.probe().queue(&line).is_ok() {
            queued += 1;
        }
        pair.client.probe().lines() == 2000
    });
    assert_eq!(pair.client.probe().bytes(), 2000 * 201);
}

#[test]
fn a_wrong_byte_is_found() {
    let mut pair = Pair::new();
    let handle = pair.server.sockets.add(tcp_socket(64));
    pair.client.probe().queue(b"hello\n").unwrap();
    let wrong = pair.drive(|host, _| {
        let tcp = host.sockets.get_mut::<tcp::Socket>(handle);
        let _ = tcp.listen(PORT);
        if tcp.can_recv() {
            tcp.recv(|bytes| (bytes.len(), ())).unwrap();
            tcp.send_slice(b"hellO\n").unwrap();
        }
    });
    assert!(
        matches!(
            wrong,
            Err(ProbeError::Mismatch {
                expected: b'o',
                got: b'O',
                ..
            })
        ),
        "{wrong:?}"
    );
}

#[test]
fn a_server_that_closes_early_is_found() {
    let mut pair = Pair::new();
    let handle = pair.server.sockets.add(tcp_socket(64));
    pair.client.probe().queue(b"hello\n").unwrap();
    let early = pair.drive(|host, _| {
        let tcp = host.sockets.get_mut::<tcp::Socket>(handle);
        if tcp.state() == tcp::State::Closed {
            let _ = tcp.listen(PORT);
        }
        if tcp.can_recv() {
            tcp.close();
        }
    });
    assert!(
        matches!(early, Err(ProbeError::Missing { bytes: 6, .. })),
        "{early:?}"
    );
}

#[test]
fn when_the_server_closes_first_our_side_closes_as_well() {
    let mut pair = Pair::new();
    let mut listener = listen::<1>(&mut pair.server.sockets, PORT, Options::DEFAULT, 1);
    pair.client.probe().queue(b"hello\n").unwrap();
    let done = pair.drive(echo(&mut listener));
    assert_eq!(done, Ok(ClientTurn::Done));
    listener.shutdown();
    let mut serve = echo(&mut listener);
    let turns: Vec<_> = (0..30).map(|_| pair.step(&mut serve)).collect();
    assert!(turns.contains(&Ok(ClientTurn::Closed)), "{turns:?}");
    let tcp = pair.clients.sockets.get::<tcp::Socket>(pair.handle);
    assert_eq!(tcp.state(), tcp::State::Closed);
}

#[test]
fn refused_and_reset_are_told_apart() {
    let mut pair = Pair::new();
    let refused = pair.drive(|_, _| ());
    assert_eq!(refused, Err(ProbeError::Io(ErrorKind::ConnectionRefused)));

    let mut pair = Pair::new();
    let handle = pair.server.sockets.add(tcp_socket(64));
    pair.client.probe().queue(b"hello\n").unwrap();
    let reset = pair.drive(|host, _| {
        let tcp = host.sockets.get_mut::<tcp::Socket>(handle);
        let _ = tcp.listen(PORT);
        if tcp.can_recv() {
            tcp.abort();
        }
    });
    assert_eq!(reset, Err(ProbeError::Io(ErrorKind::ConnectionReset)));
}

#[test]
fn congestion_state_of_an_earlier_connection_is_not_inherited() {
    let mut pair = Pair::new();
    let server = pair.server.sockets.add(tcp_socket(4096));
    let mut first_flights = vec![];
    for local in [50_001, 50_002] {
        let tcp = pair.clients.sockets.get_mut::<tcp::Socket>(pair.handle);
        tcp.abort();
        let context = pair.clients.iface.context();
        pair.client = Client::connect([0; 4096], tcp, context, (SERVER, PORT), local).unwrap();
        let tcp = pair.server.sockets.get_mut::<tcp::Socket>(server);
        tcp.abort();
        tcp.listen(PORT).unwrap();
        let established = |pair: &mut Pair| {
            let tcp = pair.server.sockets.get::<tcp::Socket>(server);
            tcp.state() == tcp::State::Established
        };
        pair.wait(|_, _| (), established);
        pair.client.probe().queue(&[b'\n'; 4000]).unwrap();
        // All frames to the server are dropped from here on, so that the client first sends as
        // much as its initial congestion window holds.
        let mut sent: Vec<usize> = vec![];
        while pair.now < Instant::from_millis(u64::from(local - 50_000) * 10_000) {
            pair.step(|_, _| ()).unwrap();
            let frames = pair
                .server
                .device
                .rx
                .borrow_mut()
                .drain(..)
                .map(|frame| frame.len())
                .sum();
            sent.push(frames);
        }
        first_flights.push(sent[0]);
    }
    assert!(first_flights[0] > 2000, "{first_flights:?}");
    assert_eq!(first_flights[0], first_flights[1]);
}
