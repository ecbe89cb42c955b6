//! Limits, and who gets which connection.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::running::{Ends, Event, PATIENCE, Running, echo, expect, rest, wait_until};
use linecho_std::{LongLines, Reason, Refusal, Server, listen};
use socket2::{Domain, Socket, Type};

#[test]
fn beyond_the_limit_connections_wait_until_one_closes() {
    let server = Running::start(Server::builder().workers(2).max_connections(3));
    let mut open: Vec<_> = (0..3).map(|_| server.connect()).collect();
    for peer in &mut open {
        echo(peer, b"in\n");
    }
    let mut waiting: Vec<_> = (0..5).map(|_| server.connect()).collect();
    for peer in &mut waiting {
        peer.write_all(b"wait\n").unwrap();
    }
    while !matches!(server.event(), Event::Full(3)) {}
    assert_eq!(server.handle.connections(), 3);
    assert_eq!(server.handle.totals().opened, 3);
    // Each that leaves lets one in.
    for mut peer in waiting {
        drop(open.remove(0));
        expect(&mut peer, b"wait\n");
        open.push(peer);
    }
    for peer in &mut open {
        echo(peer, b"still there\n");
    }
    assert_eq!(server.handle.totals().opened, 8);
}

#[test]
fn workers_get_equally_many_connections() {
    let server = Running::start(Server::builder().workers(3));
    let peers: Vec<_> = (0..9).map(|_| server.connect()).collect();
    let mut by_worker = BTreeMap::new();
    while by_worker.values().sum::<usize>() < peers.len() {
        if let Event::Opened(_, worker) = server.event() {
            *by_worker.entry(worker).or_default() += 1;
        }
    }
    assert_eq!(by_worker.into_values().collect::<Vec<_>>(), [3, 3, 3]);
}

#[test]
fn the_observer_is_told_of_each_connection_and_its_content() {
    let config = linecho_std::Config::new().long_lines(LongLines::Discard);
    let server = Running::start(Server::builder().session(config).max_line(8).workers(1));
    let mut peer = server.connect();
    let ends = Ends {
        peer: peer.local_addr().unwrap().to_string(),
        local: server.address.to_string(),
        listener: server.address.to_string(),
        relay: None,
    };
    assert!(matches!(server.event(), Event::Opened(it, _) if it == ends));
    echo(&mut peer, b"one\n");
    peer.write_all(b"this is too long\ntwo\nrest").unwrap();
    peer.shutdown(Shutdown::Write).unwrap();
    assert_eq!(rest(&mut peer), b"two\nrest");
    let mut content = Vec::new();
    let closed = loop {
        match server.event() {
            Event::Echoed(it, bytes) if it == ends => content.extend(bytes),
            Event::Closed(it, closed) if it == ends => break closed,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(content, b"one\ntwo\nrest");
    assert_eq!(closed.reason, Reason::PeerClosed);
    let counters = closed.counters;
    assert_eq!((counters.lines, counters.overlong), (2, 1));
    assert_eq!((counters.bytes_in, counters.bytes_out), (29, 12));
    let totals = server.handle.totals();
    assert_eq!((totals.opened, totals.peer_closed), (1, 1));
    assert_eq!(totals.counters, counters);
}

#[test]
fn a_taken_port_is_an_error_that_names_the_address() {
    let server = Running::start(Server::builder());
    let error = listen(server.address).unwrap_err();
    assert_eq!(error.address, server.address.into());
    assert_eq!(error.error.kind(), ErrorKind::AddrInUse);
    assert!(error.to_string().contains(&server.address.to_string()));
}

#[test]
fn a_peer_has_its_own_limit_and_gives_its_place_back() {
    let server = Running::start(Server::builder().workers(2).max_per_peer(2));
    let mut open: Vec<_> = (0..2).map(|_| server.connect()).collect();
    for peer in &mut open {
        echo(peer, b"in\n");
    }
    // The reset may come before its call returns.
    let socket_at = |address: &str| {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        let address: SocketAddr = address.parse().unwrap();
        socket.bind(&address.into()).unwrap();
        socket
    };
    let refused = socket_at("127.0.0.1:0");
    let own = refused.local_addr().unwrap().as_socket().unwrap();
    let error = refused
        .connect(&server.address.into())
        .and_then(|()| (&refused).read(&mut [0]))
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    let ends = loop {
        if let Event::Refused(ends, refusal) = server.event() {
            assert_eq!(refusal, Refusal::PeerLimit(2));
            break ends;
        }
    };
    assert_eq!(ends.peer, own.to_string());
    assert_eq!(server.handle.accept_counters().over_peer_limit, 1);
    wait_until("it is gone", || server.handle.connections() == 2);
    assert_eq!(server.handle.totals().opened, 2);

    // Another address of this machine is another peer.
    let socket = socket_at("127.0.0.3:0");
    socket.connect(&server.address.into()).unwrap();
    let mut elsewhere = socket.into();
    echo(&mut elsewhere, b"from elsewhere\n");

    drop(open.pop());
    wait_until("the place is free", || server.handle.connections() == 2);
    echo(&mut server.connect(), b"in again\n");
}

#[test]
fn totals_count_what_open_sessions_did() {
    let server = Running::start(Server::builder().workers(2));
    let mut peers = [server.connect(), server.connect()];
    for peer in &mut peers {
        echo(peer, b"one\ntwo\n");
    }
    // A turn is counted when it is over, and the echo may be here before.
    wait_until("all is counted", || {
        server.handle.totals().counters.bytes_out == 16
    });
    let counters = server.handle.totals().counters;
    assert_eq!((counters.lines, counters.bytes_in), (4, 16));
    assert_eq!((counters.bytes_out, counters.overlong), (16, 0));
    drop(peers);
    server.closed();
    server.closed();
    assert_eq!(server.handle.totals().counters, counters);
}

/// It hangs in the observer, say.
#[test]
fn a_worker_that_hangs_does_not_answer_a_ping() {
    struct Hangs(Mutex<()>);
    impl linecho_std::Observer for Hangs {
        fn opened(&self, _: &linecho_std::ConnectionInfo<'_>) {
            drop(self.0.lock());
        }
    }
    let observer = Arc::new(Hangs(Mutex::new(())));
    let address = "127.0.0.1:0".parse().unwrap();
    let builder = Server::builder().workers(2).observer(observer.clone());
    let server = builder.listen([address]).unwrap();
    let (address, handle) = (server.addresses()[0], server.handle());
    let thread = std::thread::spawn(move || server.run().unwrap());
    assert!(handle.ping(PATIENCE));
    let lock = observer.0.lock().unwrap();
    let _peer = crate::running::connect(address);
    wait_until("it hangs", || !handle.ping(Duration::from_millis(50)));
    drop(lock);
    assert!(handle.ping(PATIENCE));
    handle.shutdown();
    handle.shutdown();
    assert!(thread.join().unwrap().hurried);
}
