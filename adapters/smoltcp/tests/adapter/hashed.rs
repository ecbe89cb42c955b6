//! The listener for thousands. The life of each slot is that of the other listener, and is tested
//! there; here is what differs: how slots are found, by address, by what there is to do, by time.

use std::time::Duration;

use crate::kit::raw::Raw;
use crate::kit::{BUFFER, Kit, LINE, PORT, SERVER, tcp_socket};
use linecho_devices::faulty::VirtualClock;
use linecho_smoltcp::smoltcp::socket::tcp::{self, State};
use linecho_smoltcp::smoltcp::wire::{IpAddress, TcpControl};
use linecho_smoltcp::{Config, HashedListener, HashedSlot, LongLines, Options, Reason, stack_time};

const SECOND: Duration = Duration::from_secs(1);

type Many = Kit<16, HashedListener<'static, 16>>;
type OneLine = Kit<1, HashedListener<'static, 1>>;

#[test]
fn hundreds_at_once_get_their_lines_back_and_their_slots_serve_again() {
    let mut kit = Many::hashed(Options::DEFAULT, 300);
    let clients: Vec<usize> = (0..300).map(|_| kit.connect()).collect();
    for round in 0..3 {
        let text = |client: usize| format!("round {round} client {client}\nrest").repeat(20);
        for &client in &clients {
            if round > 0 {
                kit.reconnect(client);
            }
            kit.send(client, text(client).as_bytes());
        }
        kit.drive("all open", 10 * SECOND, |kit| kit.listener.busy() == 300);
        clients.iter().for_each(|&client| kit.half_close(client));
        kit.drive("all over", 60 * SECOND, |kit| {
            clients.iter().all(|&client| kit.is_over(client)) && kit.listener.busy() == 0
        });
        for &client in &clients {
            assert!(
                kit.client[client].received == text(client).as_bytes(),
                "client {client}"
            );
        }
    }
    assert_eq!(kit.listener.totals().peer_closed, 900);
}

#[test]
fn a_client_too_many_is_refused_and_served_later() {
    let mut kit = Many::hashed(Options::DEFAULT, 2);
    let (a, b) = (kit.connect(), kit.connect());
    kit.echo(a, b"a\n");
    kit.echo(b, b"b\n");
    let c = kit.connect();
    kit.drive("the refusal", SECOND, |kit| kit.state(c) == State::Closed);
    kit.half_close(a);
    kit.drive("a slot", SECOND, |kit| kit.listener.busy() == 1);
    kit.reconnect(c);
    kit.echo(c, b"c\n");
    kit.echo(b, b"b\n");
}

#[test]
fn a_syn_flood_keeps_nobody_out_for_long() {
    let mut kit = Many::hashed(Options::DEFAULT, 50);
    for i in 0..1000u32 {
        let [_, a, b, c] = (0x0a01_0000 + i).to_be_bytes();
        Raw::new(IpAddress::v4(10, a, b, c), 1234).syn(&mut kit);
    }
    kit.pass(Duration::from_millis(1));
    assert_eq!(kit.listener.busy(), 50);
    kit.serve_newcomer(10 * SECOND);
}

#[test]
fn garbage_and_strangers_take_no_slot() {
    let mut kit = Many::hashed(Options::DEFAULT, 2);
    let mut raw = Raw::new(IpAddress::v4(10, 0, 0, 9), 1);
    // A segment of no connection, a SYN with a broken checksum, a SYN to somebody else.
    raw.ack = Some(raw.seq);
    raw.send(&mut kit, b"hello");
    raw.syn(&mut kit);
    raw.syn(&mut kit);
    let frames = kit.server.device.rx.clone();
    frames.borrow_mut()[1][30] ^= 1;
    // Another destination, and what that makes of the sum of the header.
    let mut other = frames.borrow_mut().pop_back().unwrap();
    other[19] += 1;
    other[11] -= 1;
    frames.borrow_mut().push_back(other);
    frames.borrow_mut().push_back(vec![0x45; 41]);
    frames.borrow_mut().push_back(vec![]);
    // Not even for a moment: who comes right after them is served.
    let mut honest = [2, 3].map(|port| Raw::new(IpAddress::v4(10, 0, 0, 9), port));
    honest.iter_mut().for_each(|raw| raw.syn(&mut kit));
    kit.pass(Duration::from_millis(1));
    assert_eq!(kit.listener.busy(), 2);
    let answers = raw.take(&kit);
    assert_eq!(answers.len(), 1);
    assert_eq!(answers[0].control, TcpControl::Rst);
    for mut raw in honest {
        assert_eq!(raw.take(&kit)[0].control, TcpControl::Syn);
    }
}

#[test]
fn a_peer_that_vanishes_while_closing_has_time_unless_slots_are_short() {
    let session = Config::new().long_lines(LongLines::Close);
    for (slots, least, most) in [(1, 9, 12), (2, 59, 63)] {
        let mut kit = Many::hashed(session.into(), slots);
        let mut raw = Raw::new(IpAddress::v4(10, 0, 0, 9), 1);
        raw.connect(&mut kit);
        raw.send(&mut kit, &[b'x'; LINE + 1]);
        kit.pass(Duration::from_millis(1));
        assert_eq!(kit.reasons(), [Reason::LineTooLong]);
        kit.pass(least * SECOND);
        assert_eq!(kit.listener.busy(), 1);
        kit.pass((most - least) * SECOND);
        assert_eq!(kit.listener.busy(), 0);
    }
}

#[test]
fn idle_and_stalled_sessions_end_in_time() {
    let session = Config::new()
        .idle_timeout(Some(30 * SECOND))
        .write_timeout(Some(5 * SECOND));
    let mut kit = Many::hashed(session.into(), 200);
    let clients: Vec<usize> = (0..150).map(|_| kit.connect()).collect();
    for &client in &clients {
        kit.send(client, b"hello\n");
    }
    kit.client[clients[149]].reads = false;
    kit.send(clients[149], &[b'\n'; 10 * BUFFER]);
    kit.pass(20 * SECOND);
    assert_eq!(kit.reasons(), [Reason::WriteStalled]);
    kit.echo(clients[0], b"still here\n");
    kit.pass(12 * SECOND);
    assert_eq!((kit.listener.totals().idle, kit.listener.busy()), (148, 1));
    kit.pass(20 * SECOND);
    assert_eq!((kit.listener.totals().idle, kit.listener.busy()), (149, 0));
}

#[test]
fn quiet_connections_live_on_while_their_peers_do() {
    let mut kit = Many::hashed(Options::DEFAULT, 100);
    let clients: Vec<usize> = (0..100).map(|_| kit.connect()).collect();
    kit.drive("all open", 10 * SECOND, |kit| kit.listener.busy() == 100);
    kit.pass(300 * SECOND);
    for client in clients {
        kit.echo(client, b"after\n");
    }
}

#[test]
fn the_same_address_pair_connects_again() {
    let mut kit = Many::hashed(Options::DEFAULT, 3);
    for _ in 0..3 {
        let mut raw = Raw::new(IpAddress::v4(10, 0, 0, 9), 1);
        raw.connect(&mut kit);
        // A second SYN of the same pair takes no second slot.
        raw.syn(&mut kit);
        kit.pass(Duration::from_millis(1));
        assert_eq!(kit.listener.busy(), 1);
        raw.ack = None;
        raw.take_and_note(&kit);
        raw.put(&mut kit, TcpControl::Rst, b"");
        kit.pass(Duration::from_millis(1));
        assert_eq!(kit.listener.busy(), 0);
    }
}

#[test]
fn an_address_that_goes_away_ends_its_connections_when_they_are_next_due() {
    let mut kit = Many::hashed(Options::DEFAULT, 20);
    let clients: [usize; 20] = core::array::from_fn(|_| kit.connect());
    for client in clients {
        kit.echo(client, b"old\n");
    }
    kit.server.replace_address(IpAddress::v4(10, 0, 0, 77));
    kit.drive("all slots are free", 31 * SECOND, |kit| {
        kit.listener.busy() == 0
    });
    assert_eq!(kit.listener.totals().reset, 20);
    kit.serve_newcomer(SECOND);
}

#[test]
fn a_device_that_takes_nothing_is_no_busy_loop() {
    let mut kit = Many::hashed(Options::DEFAULT, 10);
    let clients: Vec<usize> = (0..10).map(|_| kit.connect()).collect();
    kit.drive("all open", 10 * SECOND, |kit| kit.listener.busy() == 10);
    kit.pass(Duration::from_millis(20));
    kit.server.device.full = true;
    for &client in &clients {
        kit.send(client, b"two\n");
    }
    let before = kit.turns;
    kit.pass(SECOND);
    assert!(
        kit.turns - before < 1100,
        "{} turns in a second",
        kit.turns - before
    );
    kit.server.device.full = false;
    kit.drive("the echo", 3 * SECOND, |kit| {
        clients
            .iter()
            .all(|&client| kit.client[client].received == b"two\n")
    });
}

#[test]
fn a_flood_of_frames_starves_no_session() {
    let mut kit = Many::hashed(Options::DEFAULT, 2);
    let client = kit.connect();
    kit.echo(client, b"one\n");
    kit.send(client, b"two\n");
    kit.pass(Duration::from_micros(1));
    for _ in 0..10_000 {
        kit.server.device.rx.borrow_mut().push_back(vec![0x45; 40]);
    }
    for _ in 0..10 {
        let now = kit.now();
        kit.step(now);
    }
    assert_eq!(kit.client[client].received, b"one\ntwo\n");
    assert!(kit.server.device.rx.borrow().len() > 9_000);
}

#[test]
fn one_poll_serves_some_of_many_that_are_due_at_once() {
    let session = Config::new().idle_timeout(Some(5 * SECOND));
    let mut kit = Many::hashed(session.into(), 300);
    let opened = kit.now();
    (0..300).for_each(|_| _ = kit.connect());
    kit.drive("all open", SECOND, |kit| {
        kit.listener.totals().opened == 300
    });
    kit.pass(4 * SECOND);
    assert!(kit.reasons().is_empty());
    kit.clock = VirtualClock::new(stack_time(opened + 6 * SECOND));
    kit.server_turn();
    let ended = kit.reasons().len();
    assert!((1..300).contains(&ended), "{ended} in one turn");
    kit.drive("all ended", SECOND, |kit| kit.listener.totals().idle == 300);
}

#[test]
fn shutdown_drains_all() {
    let mut kit = Many::hashed(Options::DEFAULT, 200);
    let clients: Vec<usize> = (0..150).map(|_| kit.connect()).collect();
    for &client in &clients {
        kit.send(client, b"unfinished");
    }
    kit.drive("all open", 10 * SECOND, |kit| kit.listener.busy() == 150);
    kit.pass(Duration::from_millis(20));
    kit.listener.shutdown();
    kit.wake_server();
    let late = kit.connect();
    kit.drive("all that had arrived", SECOND, |kit| {
        clients
            .iter()
            .all(|&client| kit.client[client].received == b"unfinished")
    });
    assert_eq!(kit.state(late), State::Closed, "refused");
    clients.iter().for_each(|&client| kit.half_close(client));
    kit.drive("drained", 5 * SECOND, |kit| kit.listener.is_drained());
    assert_eq!(kit.listener.totals().shutdown, 150);
}

#[test]
fn other_sockets_are_in_a_set_of_their_own() {
    let mut kit = Many::hashed(Options::DEFAULT, 2);
    let mut other = tcp_socket(64);
    other.listen(9).unwrap();
    let other = kit.server.sockets.add(other);
    let client = kit.connect();
    let tcp = kit
        .clients
        .sockets
        .get_mut::<tcp::Socket>(kit.client[client].handle);
    tcp.abort();
    tcp.connect(kit.clients.iface.context(), (SERVER, 9), 30_000)
        .unwrap();
    kit.drive("connected", SECOND, |kit| {
        kit.state(client) == State::Established
    });
    assert_eq!(
        kit.server.sockets.get::<tcp::Socket>(other).state(),
        State::Established
    );
    assert_eq!(kit.listener.busy(), 0);
}

#[test]
fn ipv6_is_served_as_well() {
    let mut kit = Many::hashed(Options::DEFAULT, 2);
    for (host, number) in [(&mut kit.server, 1), (&mut kit.clients, 2)] {
        host.replace_address(IpAddress::v6(0xfd00, 0, 0, 0, 0, 0, 0, number));
    }
    let client = kit.connect();
    kit.echo(client, b"six\n");
    kit.half_close(client);
    kit.drive("the end", SECOND, |kit| kit.is_over(client));
}

#[test]
fn it_serves_as_many_as_there_is_of_everything() {
    let slots = (0..5)
        .map(|_| HashedSlot::default())
        .collect::<Vec<_>>()
        .leak();
    let storage = (0..4)
        .map(|_| Default::default())
        .collect::<Vec<_>>()
        .leak();
    let sockets = (0..9).map(|_| tcp_socket(16));
    let none: [&mut [u8; 1]; 0] = [];
    let listener =
        HashedListener::<1>::new(PORT, Options::DEFAULT, 0, slots, storage, sockets, none);
    let mut listener = listener.unwrap();
    listener.shutdown();
    assert!(listener.is_drained());
    let none: [&mut [u8; 1]; 0] = [];
    let refused = HashedListener::<1>::new(0, Options::DEFAULT, 0, &mut [], &mut [], [], none);
    assert!(refused.is_err());
}

/// While others listen, it may stay so for longer, and is looked at once a second.
#[test]
fn a_half_open_slot_that_is_late_costs_few_turns() {
    let mut kit = OneLine::hashed(Options::DEFAULT, 2);
    Raw::new(IpAddress::v4(10, 0, 0, 9), 1).syn(&mut kit);
    kit.pass(6 * SECOND);
    assert_eq!(kit.listener.busy(), 1);
    let (until, mut turns) = (kit.now() + 10 * SECOND, 0);
    while kit.now() < until {
        kit.step(until);
        turns += 1;
    }
    assert!(turns < 100, "{turns}");
}

/// The README states it.
#[test]
#[cfg(target_pointer_width = "64")]
fn a_slot_is_small() {
    assert!(
        size_of::<HashedSlot<'_>>() <= 232,
        "{}",
        size_of::<HashedSlot<'_>>()
    );
}
