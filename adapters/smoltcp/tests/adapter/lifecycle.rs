//! The life of slots under everything that a peer and an owner may do.

use std::time::Duration;

use crate::kit::raw::Raw;
use crate::kit::{self, CLIENT, Host, Kit, PORT, SERVER};
use linecho_smoltcp::smoltcp::socket::tcp::{self, State};
use linecho_smoltcp::smoltcp::wire::IpAddress;
use linecho_smoltcp::{Config, Event, LongLines, Options, Reason, Wake, egress, ingress};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn lines_go_back_and_a_half_close_ends_in_order() {
    let mut kit = Kit::<2>::new(Options::DEFAULT);
    let client = kit.connect();
    kit.send(client, b"x\ny");
    kit.half_close(client);
    kit.drive("the end", SECOND, |kit| kit.is_over(client));
    assert_eq!(kit.client[client].received, b"x\ny");
    assert_eq!(kit.reasons(), [Reason::PeerClosed]);
    let [
        Event::Opened { slot: 0, peer },
        Event::Closed {
            slot: 0, counters, ..
        },
    ] = kit.events[..]
    else {
        panic!("{:?}", kit.events);
    };
    assert_eq!(peer.addr, CLIENT);
    assert_eq!(
        (counters.bytes_in, counters.bytes_out, counters.lines),
        (3, 3, 1)
    );
    let totals = kit.listener.totals();
    assert_eq!(
        (totals.opened, totals.peer_closed, totals.closed()),
        (1, 1, 1)
    );
}

#[test]
fn a_bulk_of_lines_longer_than_all_buffers_comes_back_exact() {
    let mut kit = Kit::<1>::new(Options::DEFAULT);
    let client = kit.connect();
    let bytes: Vec<u8> = (0..200_000u32)
        .map(|i| if i % 701 == 0 { b'\n' } else { i as u8 })
        .collect();
    kit.send(client, &bytes);
    kit.half_close(client);
    kit.drive("the end", 60 * SECOND, |kit| kit.is_over(client));
    assert!(kit.client[client].received == bytes);
}

#[test]
fn a_syn_flood_keeps_nobody_out_for_long() {
    let mut kit = Kit::<4>::new(Options::DEFAULT);
    for i in 0..10_000u32 {
        let [_, a, b, c] = (0x0a01_0000 + i).to_be_bytes();
        Raw::new(IpAddress::v4(10, a, b, c), 1234).syn(&mut kit);
        if i % 10 == 0 {
            kit.pass(Duration::from_millis(1));
        }
    }
    kit.drive("the end of the flood", SECOND, |kit| {
        kit.server.device.rx.borrow().is_empty()
    });
    assert_eq!(kit.server_states(), [State::SynReceived; 4]);
    for _ in 0..4 {
        kit.serve_newcomer(10 * SECOND);
    }
}

#[test]
fn a_handshake_may_take_long_while_others_listen() {
    let mut kit = Kit::<2>::new(Options::DEFAULT);
    let mut slow = Raw::new(IpAddress::v4(10, 0, 0, 9), 1);
    slow.syn(&mut kit);
    slow.seq += 1;
    kit.pass(20 * SECOND);
    assert_eq!(kit.server_states(), [State::SynReceived, State::Listen]);
    slow.take_and_note(&kit);
    slow.send(&mut kit, b"late\n");
    kit.pass(SECOND);
    assert_eq!(slow.take(&kit).last().unwrap().payload, b"late\n");
}

#[test]
fn data_and_fin_that_came_before_the_accept_are_served() {
    let mut kit = Kit::<1>::new(Options::DEFAULT);
    let mut raw = Raw::new(IpAddress::v4(10, 0, 0, 9), 1);
    let stack_turn = |kit: &mut Kit<1>| {
        let now = kit.now();
        let host = &mut kit.server;
        let _ = ingress(now, &mut host.iface, &mut host.device, &mut host.sockets);
        let _ = egress(now, &mut host.iface, &mut host.device, &mut host.sockets);
        kit.seen.extend(host.device.tx.borrow_mut().drain(..));
    };
    raw.syn(&mut kit);
    raw.seq += 1;
    stack_turn(&mut kit);
    raw.take_and_note(&kit);
    raw.send(&mut kit, b"a\n");
    raw.fin(&mut kit, b"b");
    stack_turn(&mut kit);
    assert_eq!(kit.server_states(), [State::CloseWait]);
    kit.pass(SECOND);
    let echoed: Vec<u8> = raw
        .take_and_note(&kit)
        .iter()
        .flat_map(|s| s.payload.clone())
        .collect();
    assert!(echoed.starts_with(b"a\nb"), "{echoed:?}");
    raw.ack(&mut kit);
    kit.pass(Duration::from_millis(1));
    raw.take_and_note(&kit);
    raw.ack(&mut kit);
    kit.drive("the slot listens", SECOND, |kit| {
        kit.server_states() == [State::Listen]
    });
    assert_eq!(kit.reasons(), [Reason::PeerClosed]);
}

#[test]
fn an_abort_sends_its_rst_before_the_slot_listens_again() {
    let session = Config::new().idle_timeout(Some(SECOND));
    let mut kit = Kit::<1>::new(session.into());
    let client = kit.connect();
    kit.drive("established", SECOND, |kit| {
        kit.state(client) == State::Established
    });
    kit.drive("the client is told", 2 * SECOND, |kit| {
        kit.state(client) == State::Closed
    });
    assert_eq!(kit.reasons(), [Reason::Idle]);
    assert_eq!(kit.server_states(), [State::Listen]);
    kit.serve_newcomer(SECOND);
}

/// A connection has ended as idle, and its RST cannot leave.
pub(crate) fn with_an_rst_that_cannot_leave() -> Kit<1> {
    let session = Config::new().idle_timeout(Some(SECOND));
    let mut kit = Kit::<1>::new(session.into());
    let client = kit.connect();
    kit.drive("established", SECOND, |kit| {
        kit.state(client) == State::Established
    });
    kit.server.device.full = true;
    kit.drive("idle", 2 * SECOND, |kit| kit.reasons() == [Reason::Idle]);
    kit
}

#[test]
fn an_rst_that_cannot_leave_holds_the_slot_for_a_second_at_most() {
    let mut kit = with_an_rst_that_cannot_leave();
    assert_eq!(kit.server_states(), [State::Closed]);
    kit.drive("listens", 2 * SECOND, |kit| {
        kit.server_states() == [State::Listen]
    });
}

#[test]
fn a_client_that_finds_all_slots_busy_is_refused_and_served_later() {
    let mut kit = Kit::<2>::new(Options::DEFAULT);
    let (a, b) = (kit.connect(), kit.connect());
    kit.echo(a, b"a\n");
    kit.echo(b, b"b\n");
    let c = kit.connect();
    kit.drive("the refusal", SECOND, |kit| kit.state(c) == State::Closed);
    kit.finish(a);
    kit.reconnect(c);
    kit.echo(c, b"c\n");
    kit.echo(b, b"b\n");
}

#[test]
fn a_quiet_connection_lives_on_while_its_peer_does() {
    let mut kit = Kit::<1>::new(Options::DEFAULT);
    let client = kit.connect();
    kit.echo(client, b"before\n");
    kit.pass(600 * SECOND);
    kit.echo(client, b"after\n");
}

#[test]
fn an_address_that_goes_away_ends_its_connections_and_the_next_one_is_served() {
    let mut kit = Kit::<1>::new(Options::DEFAULT);
    let client = kit.connect();
    kit.echo(client, b"old\n");
    kit.server.replace_address(IpAddress::v4(10, 0, 0, 77));
    kit.wake_server();
    kit.drive("the session ends", SECOND, |kit| !kit.reasons().is_empty());
    assert_eq!(kit.reasons(), [Reason::Reset]);
    kit.serve_newcomer(SECOND);
}

#[test]
fn listeners_and_other_sockets_share_a_set() {
    let mut kit = Kit::<2>::new(Options::DEFAULT);
    let mut own = kit::tcp_socket(64);
    own.listen(9).unwrap();
    let own = kit.server.sockets.add(own);
    let mut second = kit::listen::<2>(&mut kit.server.sockets, 8, Options::DEFAULT, 2);
    let mut clients: Vec<_> = [PORT, 8, 8, PORT]
        .iter()
        .map(|&port| (kit.connect(), port))
        .collect();
    for (client, port) in &mut clients {
        let handle = kit.client[*client].handle;
        let socket = kit.clients.sockets.get_mut::<tcp::Socket>(handle);
        socket.abort();
        let local = 30_000 + *client as u16;
        socket
            .connect(kit.clients.iface.context(), (SERVER, *port), local)
            .unwrap();
        kit.client[*client]
            .to_send
            .extend(format!("to {port}\n").bytes());
    }
    let mut at_once = 0;
    for _ in 0..200 {
        let now = kit.now();
        let host = &mut kit.server;
        let mut wake = ingress(now, &mut host.iface, &mut host.device, &mut host.sockets);
        wake = wake.min(kit.listener.serve(
            now,
            &mut host.iface,
            &mut host.device,
            &mut host.sockets,
            |_| (),
        ));
        wake = wake.min(second.serve(
            now,
            &mut host.iface,
            &mut host.device,
            &mut host.sockets,
            |_| (),
        ));
        wake = wake.min(egress(
            now,
            &mut host.iface,
            &mut host.device,
            &mut host.sockets,
        ));
        at_once += usize::from(wake == Wake::Again);
        let until = kit.now();
        kit.step(until);
    }
    // A listener turns again when its last slot has been taken, and that is all.
    assert!(at_once <= 2, "{at_once} turns at once");
    for (client, port) in clients {
        assert_eq!(
            kit.client[client].received,
            format!("to {port}\n").into_bytes()
        );
    }
    assert_eq!((kit.listener.sessions(), second.sessions()), (2, 2));
    // The set may lose a socket that is not theirs, and even one that is: the others serve on.
    kit.server.sockets.remove(own);
    kit.echo(0, b"still here\n");
    let (first, _) = kit.server.sockets.iter().next().unwrap();
    kit.server.sockets.remove(first);
    kit.echo(3, b"still here\n");
}

#[test]
fn a_retransmitted_syn_opens_no_second_connection() {
    let mut kit = Kit::<3>::new(Options::DEFAULT);
    let (a, b) = (kit.connect(), kit.connect());
    kit.echo(a, b"a\n");
    kit.echo(b, b"b\n");
    // The third connection comes to the highest socket, and its first SYN|ACK gets lost.
    let mut lost = 0;
    kit.lose = Box::new(move |to_server, _| {
        lost += usize::from(!to_server);
        !to_server && lost == 1
    });
    let c = kit.connect();
    kit.pass(Duration::from_millis(10));
    assert_eq!(kit.server_states()[2], State::SynReceived);
    // Two lower slots get free and listen, before the client sends its SYN again.
    kit.finish_two(a, b);
    kit.drive("connected", 2 * SECOND, |kit| {
        kit.state(c) == State::Established
    });
    kit.pass(Duration::from_millis(10));
    let mut states = kit.server_states();
    states.sort_by_key(|state| *state as u8);
    assert_eq!(states, [State::Listen, State::Listen, State::Established]);
    kit.echo(c, b"c\n");
}

impl Kit<3> {
    fn finish_two(&mut self, a: usize, b: usize) {
        self.half_close(a);
        self.half_close(b);
        self.drive("both are over", SECOND, |kit| {
            kit.is_over(a) && kit.is_over(b)
        });
        self.pass(Duration::from_millis(10));
    }
}

#[test]
fn after_ten_thousand_connections_and_a_thousand_resets_every_slot_serves() {
    let mut kit = Kit::<4>::new(Options::DEFAULT);
    let clients: [usize; 4] = core::array::from_fn(|_| kit.connect());
    for round in 0..2750 {
        for &client in &clients {
            if round > 0 {
                kit.reconnect(client);
            }
            kit.send(client, b"short\nx");
            if round % 11 != 5 {
                kit.half_close(client);
            }
        }
        kit.drive("four connections", 5 * SECOND, |kit| {
            clients.iter().all(|&client| {
                if round % 11 == 5 && kit.client[client].received == b"short\n" {
                    kit.reset(client);
                }
                kit.is_over(client)
            })
        });
        kit.drive("four slots", SECOND, |kit| {
            kit.server_states() == [State::Listen; 4]
        });
        kit.events.clear();
        kit.seen.clear();
    }
    let totals = *kit.listener.totals();
    assert_eq!((totals.peer_closed, totals.reset), (10_000, 1_000));
    for &client in &clients {
        kit.reconnect(client);
        kit.echo(client, b"all four\n");
    }
    assert_eq!(kit.listener.sessions(), 4);
}

#[test]
fn a_silent_session_ends_as_idle_and_a_stalled_one_as_stalled() {
    let session = Config::new()
        .idle_timeout(Some(30 * SECOND))
        .write_timeout(Some(5 * SECOND));
    let mut kit = Kit::<2>::new(session.into());
    let (silent, stalled) = (kit.connect(), kit.connect());
    kit.echo(silent, b"hello\n");
    kit.client[stalled].reads = false;
    kit.send(stalled, &[b'\n'; 40_000]);
    kit.pass(20 * SECOND);
    assert_eq!(kit.reasons(), [Reason::WriteStalled]);
    kit.pass(11 * SECOND);
    assert_eq!(kit.reasons(), [Reason::WriteStalled, Reason::Idle]);
    assert_eq!(kit.server_states(), [State::Listen; 2]);
}

#[test]
fn a_line_that_is_too_long_closes_in_order_though_the_peer_goes_on() {
    let session = Config::new().long_lines(LongLines::Close);
    let mut kit = Kit::<1>::new(session.into());
    let client = kit.connect();
    kit.send(client, b"short\n");
    kit.send(client, &[b'x'; 50_000]);
    kit.half_close(client);
    kit.drive("the end", 10 * SECOND, |kit| kit.is_over(client));
    assert_eq!(kit.client[client].received, b"short\n");
    assert_eq!(kit.reasons(), [Reason::LineTooLong]);
    kit.drive("listens", SECOND, |kit| {
        kit.server_states() == [State::Listen]
    });
    assert_eq!(
        kit.state(client),
        State::Closed,
        "its FIN was acknowledged, and it saw no reset"
    );
}

#[test]
fn a_port_of_zero_is_an_error() {
    let mut host = Host::new(SERVER);
    let none: [&mut [u8; 1]; 0] = [];
    let sockets = core::iter::once(kit::tcp_socket(16));
    let listener =
        linecho_smoltcp::Listener::<1>::new(0, Options::DEFAULT, &mut host.sockets, sockets, none);
    assert!(listener.is_err());
}
