//! The ends of connections, as the peer and the observer see them.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use crate::running::{
    Event, Running, STUCK_MAX_LINE, connect, echo, expect, rest, stuck_peer, wait_until,
};
use linecho_std::{Config, LongLines, Reason, Server, SessionEnd};
use socket2::SockRef;

#[test]
fn half_close_gets_the_rest_and_an_end() {
    let server = Running::start(Server::builder());
    let mut peer = server.connect();
    peer.write_all(b"x\ny").unwrap();
    peer.shutdown(Shutdown::Write).unwrap();
    assert_eq!(rest(&mut peer), b"x\ny");
    let closed = server.closed();
    assert_eq!(closed.reason, Reason::PeerClosed);
    assert_eq!((closed.counters.bytes_in, closed.counters.lines), (3, 1));
    wait_until("it is closed", || server.handle.connections() == 0);
}

/// The peer sends far more than the server reads before it closes. Without reading on, the kernel
/// would answer with a reset, and what was echoed would be lost in it.
#[test]
fn unread_input_does_not_destroy_the_echo() {
    let config = Config::new().long_lines(LongLines::Close);
    let server = Running::start(Server::builder().session(config).max_line(1024));
    for _ in 0..20 {
        let mut peer = server.connect();
        peer.write_all(b"one\ntwo\n").unwrap();
        peer.write_all(&[b'x'; 1 << 20]).unwrap();
        peer.shutdown(Shutdown::Write).unwrap();
        assert_eq!(rest(&mut peer), b"one\ntwo\n");
        assert_eq!(server.closed().reason, Reason::LineTooLong);
    }
    wait_until("all are closed", || server.handle.connections() == 0);
}

/// However small the line buffer is: what is dropped needs none.
#[test]
fn much_unread_input_does_not_destroy_the_echo_of_a_short_line() {
    let config = Config::new().long_lines(LongLines::Close);
    let server = Running::start(Server::builder().session(config).max_line(1));
    let mut peer = server.connect();
    peer.write_all(b"\nx").unwrap();
    peer.write_all(&[b'x'; 16 << 20]).unwrap();
    peer.shutdown(Shutdown::Write).unwrap();
    assert_eq!(rest(&mut peer), b"\n");
    assert_eq!(server.closed().reason, Reason::LineTooLong);
}

#[test]
fn a_peer_that_does_not_close_is_waited_for_in_vain_but_not_for_ever() {
    let config = Config::new().long_lines(LongLines::Close);
    let server = Running::start(Server::builder().session(config).max_line(8));
    let mut peer = server.connect();
    peer.write_all(b"too long a line").unwrap();
    assert_eq!(rest(&mut peer), b"");
    wait_until("it is closed", || server.handle.connections() == 0);
    assert_eq!(server.handle.totals().line_too_long, 1);
}

#[test]
fn a_peer_that_takes_nothing_is_reset_after_the_write_timeout() {
    let config = Config::new().write_timeout(Some(Duration::from_millis(100)));
    let server = Running::start(Server::builder().session(config).max_line(STUCK_MAX_LINE));
    let mut other = server.connect();
    let mut peer = stuck_peer(&server);
    assert_eq!(server.closed().reason, Reason::WriteStalled);
    let error = std::io::copy(&mut peer, &mut std::io::sink()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    echo(&mut other, b"still there\n");
}

#[test]
fn a_peer_that_finishes_no_line_is_idle() {
    let config = Config::new().idle_timeout(Some(Duration::from_millis(100)));
    let server = Running::start(Server::builder().session(config));
    let peer = server.connect();
    peer.set_nonblocking(true).unwrap();
    // Bytes that only lengthen an unfinished line are no progress.
    wait_until("the server closes", || {
        let sent = (&peer).write(b"x");
        match (&peer).read(&mut [0]) {
            Ok(n) => n == 0,
            Err(error) => sent.is_err() || error.kind() == ErrorKind::ConnectionReset,
        }
    });
    let closed = server.closed();
    assert_eq!(closed.reason, Reason::Idle);
    assert_eq!((closed.counters.bytes_out, closed.counters.lines), (0, 0));
}

#[test]
fn a_reset_is_told_with_its_kind() {
    let server = Running::start(Server::builder());
    let mut peer = server.connect();
    echo(&mut peer, b"hello\n");
    SockRef::from(&peer)
        .set_linger(Some(Duration::ZERO))
        .unwrap();
    drop(peer);
    let reason = server.closed().reason;
    assert_eq!(reason, Reason::Reset);
    assert_eq!(server.handle.totals().reset, 1);
}

/// A read stops at urgent data though more follows, so that it looks as if all had been read. The
/// server has to see everything at once for that: it waits behind another connection until all has
/// arrived.
#[test]
fn urgent_data_are_bytes_like_any_other() {
    let server = Running::start(Server::builder().max_connections(1));
    let mut first = server.connect();
    echo(&mut first, b"first\n");
    let mut peer = connect(server.address);
    peer.write_all(b"a").unwrap();
    SockRef::from(&peer).send_out_of_band(b"!").unwrap();
    peer.write_all(b"b\nc\n").unwrap();
    while !matches!(server.event(), Event::Full(1)) {}
    drop(first);
    expect(&mut peer, b"a!b\nc\n");
    echo(&mut peer, b"d\n");
}

#[test]
fn health_checks_are_told_from_clients() {
    let server = Running::start(Server::builder());
    let reset = |peer: TcpStream| {
        let linger = Some(Duration::ZERO);
        SockRef::from(&peer).set_linger(linger).unwrap();
    };
    let check = |end: SessionEnd, expected| assert_eq!(end.is_health_check(), expected, "{end:?}");

    drop(server.connect());
    check(server.closed(), true);
    reset(server.connect());
    check(server.closed(), true);
    let mut peer = server.connect();
    echo(&mut peer, b"hello?\n");
    reset(peer);
    check(server.closed(), true);

    let mut peer = server.connect();
    echo(&mut peer, b"hello\n");
    drop(peer);
    check(server.closed(), false);
    let idle = server.connect();
    server.handle.shutdown();
    check(server.closed(), false);
    drop(idle);
}
