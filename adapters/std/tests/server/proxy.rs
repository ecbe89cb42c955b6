//! Listeners that require a PROXY header.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};

use crate::running::{Ends, Event, Listening, Running, echo, expect, rest};
use linecho_std::{
    Builder, Listener, ProxyFault, ProxyHeaderError, Reason, Refusal, Server, listen,
};

const V1: &[u8] = b"PROXY TCP4 192.0.2.1 192.0.2.2 40000 7\r\n";
const V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x01\xc0\0\x02\x02\x9c\x40\0\x07";
const V2_LOCAL: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0";

fn start(builder: Builder) -> Running {
    let socket = listen("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = Listener::from(socket).require_proxy_header();
    Listening::on(builder, listener).start()
}

fn opened(server: &Running) -> Ends {
    match server.event() {
        Event::Opened(ends, _) => ends,
        other => panic!("{other:?}"),
    }
}

fn refused(server: &Running) -> (Ends, Refusal) {
    match server.event() {
        Event::Refused(ends, refusal) => (ends, refusal),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_header_names_the_peer_and_is_not_echoed() {
    let server = start(Server::builder());
    for header in [V1, V2] {
        let mut peer = server.connect();
        peer.write_all(&[header, b"line\nrest"].concat()).unwrap();
        peer.shutdown(Shutdown::Write).unwrap();
        assert_eq!(rest(&mut peer), b"line\nrest");
        let ends = opened(&server);
        assert_eq!(ends.peer, "192.0.2.1:40000");
        assert_eq!(ends.relay, Some(peer.local_addr().unwrap().to_string()));
        assert_eq!(ends.local, server.address.to_string());
        let end = server.closed();
        assert_eq!(end.reason, Reason::PeerClosed);
        assert_eq!((end.counters.bytes_in, end.counters.bytes_out), (9, 9));
    }
}

#[test]
fn a_header_may_come_byte_by_byte() {
    let server = start(Server::builder());
    for header in [V1, V2] {
        let mut peer = server.connect();
        for byte in header {
            peer.write_all(&[*byte]).unwrap();
            std::thread::yield_now();
        }
        echo(&mut peer, b"line\n");
        assert_eq!(opened(&server).peer, "192.0.2.1:40000");
        drop(peer);
        server.closed();
    }
}

/// A balancer that checks whether the server is there speaks for itself.
#[test]
fn a_local_header_leaves_the_relay_as_the_peer() {
    let server = start(Server::builder());
    for header in [V2_LOCAL, b"PROXY UNKNOWN\r\n"] {
        let mut peer = server.connect();
        peer.write_all(header).unwrap();
        echo(&mut peer, b"line\n");
        let own = peer.local_addr().unwrap().to_string();
        let ends = opened(&server);
        assert_eq!((&ends.peer, &ends.relay), (&own, &Some(own.clone())));
        drop(peer);
        server.closed();
    }
}

#[test]
fn a_wrong_header_is_reset_and_counted() {
    use ProxyFault::{Invalid, Nothing, TooLong};
    let server = start(Server::builder());
    let mut too_long = b"\r\n\r\n\0\r\nQUIT\n\x21\0\xff\xff".to_vec();
    too_long.resize(5000, 0);
    let wrong: [(&[u8], ProxyFault); 4] = [
        (b"hello\n", Invalid(ProxyHeaderError::Missing)),
        (
            b"PROXY TCP4 nobody\r\n",
            Invalid(ProxyHeaderError::Malformed),
        ),
        (b"", Nothing),
        (&too_long, TooLong),
    ];
    let mut count = 0;
    for (bytes, fault) in wrong {
        let mut peer = server.connect();
        peer.write_all(bytes).unwrap();
        if fault == Nothing {
            peer.shutdown(Shutdown::Write).unwrap();
        }
        let (ends, refusal) = refused(&server);
        assert_eq!(refusal, Refusal::ProxyHeader(fault));
        assert_eq!(ends.peer, peer.local_addr().unwrap().to_string());
        match peer.read(&mut [0]) {
            Ok(n) => assert_eq!((n, fault), (0, Nothing)),
            Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
        }
        count += 1;
        assert_eq!(server.handle.accept_counters().without_proxy_header, count);
    }
    // None of them became a session.
    assert_eq!(server.handle.totals().opened, 0);
}

#[test]
fn a_header_that_stays_incomplete_is_not_waited_for_for_ever() {
    let server = start(Server::builder());
    let mut peer = server.connect();
    peer.write_all(&V1[..10]).unwrap();
    let (_, refusal) = refused(&server);
    assert_eq!(refusal, Refusal::ProxyHeader(ProxyFault::Late));
    let error = peer.read(&mut [0]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
}

#[test]
fn a_shutdown_serves_whole_headers_and_refuses_the_others() {
    let listening = {
        let socket = listen("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = Listener::from(socket).require_proxy_header();
        Listening::on(Server::builder().workers(2), listener)
    };
    let address = listening.server.addresses()[0];
    let connect = |bytes: &[u8]| {
        let mut peer = crate::running::connect(address);
        peer.write_all(bytes).unwrap();
        peer
    };
    let mut whole = connect(&[V1, b"line\nrest"].concat());
    let half: TcpStream = connect(&V1[..10]);
    listening.server.handle().shutdown();
    let server = listening.start();
    assert_eq!(rest(&mut whole), b"line\nrest");
    drop(whole);
    let totals = server.handle.clone();
    server.join();
    assert_eq!(totals.accept_counters().without_proxy_header, 1);
    assert_eq!(totals.totals().opened, 1);
    drop(half);
}

#[test]
fn the_limit_of_a_peer_is_that_of_the_named_one() {
    let server = start(Server::builder().max_per_peer(1));
    let connect = |header: &str| {
        let mut peer = server.connect();
        peer.write_all(format!("{header}x\n").as_bytes()).unwrap();
        peer
    };
    let mut first = connect("PROXY TCP4 192.0.2.1 192.0.2.9 1 7\r\n");
    expect(&mut first, b"x\n");
    let mut second = connect("PROXY TCP4 192.0.2.2 192.0.2.9 1 7\r\n");
    expect(&mut second, b"x\n");
    let _third = connect("PROXY TCP4 192.0.2.1 192.0.2.9 2 7\r\n");
    let (ends, refusal) = loop {
        if let Event::Refused(ends, refusal) = server.event() {
            break (ends, refusal);
        }
    };
    assert_eq!(refusal, Refusal::PeerLimit(1));
    assert_eq!(ends.peer, "192.0.2.1:2");
    // A connection that was refused gives no place back.
    drop(first);
    server.closed();
    crate::running::wait_until("it is free", || server.handle.connections() == 1);
    let mut fourth = connect("PROXY TCP4 192.0.2.1 192.0.2.9 3 7\r\n");
    expect(&mut fourth, b"x\n");
}
