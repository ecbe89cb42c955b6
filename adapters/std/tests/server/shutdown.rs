//! Shutdowns: the work that is finished, and the work that is cut.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use crate::running::{
    Listening, PATIENCE, Running, STUCK_MAX_LINE, connect, echo, rest, stuck_peer, wait_until,
};
use linecho_std::{Reason, Server};

#[test]
fn what_has_arrived_goes_back_with_the_unfinished_rest() {
    let server = Running::start(Server::builder().workers(2));
    let mut peers: Vec<_> = (0..8).map(|_| server.connect()).collect();
    for (number, peer) in peers.iter_mut().enumerate() {
        echo(peer, b"a line\n");
        write!(peer, "more\nand a rest {number}").unwrap();
    }
    server.handle.shutdown();
    for (number, peer) in peers.iter_mut().enumerate() {
        let expected = format!("more\nand a rest {number}");
        assert_eq!(rest(peer), expected.as_bytes());
    }
    drop(peers);
    let address = server.address;
    let report = server.join();
    assert_eq!((report.totals.opened, report.totals.shutdown), (8, 8));
    assert_eq!(
        (report.unfinished.connections, report.unfinished.bytes),
        (0, 0)
    );
    let refused = TcpStream::connect_timeout(&address, PATIENCE).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
}

#[test]
fn connections_that_wait_to_be_accepted_are_served() {
    let listening = Listening::new(Server::builder().workers(2));
    let (address, handle) = (listening.server.addresses()[0], listening.server.handle());
    // More than are accepted in a turn.
    let mut peers: Vec<_> = (0..200).map(|_| connect(address)).collect();
    for peer in &mut peers {
        peer.write_all(b"sent before the shutdown").unwrap();
    }
    handle.shutdown();
    let server = listening.start();
    for peer in &mut peers {
        assert_eq!(rest(peer), b"sent before the shutdown");
    }
    drop(peers);
    assert_eq!(server.join().totals.shutdown, 200);
}

#[test]
fn a_peer_that_takes_nothing_is_cut_and_reported() {
    let builder = Server::builder().max_line(STUCK_MAX_LINE);
    let server = Running::start(builder.drain_timeout(Duration::from_millis(200)));
    let mut other = server.connect();
    let mut greedy = stuck_peer(&server);
    echo(&mut other, b"hello\n");
    server.handle.shutdown();
    assert_eq!(rest(&mut other), b"");
    drop(other);
    assert_eq!(server.closed().reason, Reason::Shutdown);
    let report = server.join();
    assert_eq!(report.unfinished.connections, 1, "{report:?}");
    let held = report.totals.counters.bytes_in - report.totals.counters.bytes_out;
    assert_eq!(report.unfinished.bytes, held);
    assert_ne!(held, 0);
    let error = std::io::copy(&mut greedy, &mut std::io::sink()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
}

/// It never finds its socket empty, but loses nothing that was taken in.
#[test]
fn a_peer_that_never_stops_sending_is_not_cut() {
    let server = Running::start(Server::builder().drain_timeout(Duration::from_secs(1)));
    let mut peer = server.connect();
    let mut reader = peer.try_clone().unwrap();
    let reader = thread::spawn(move || {
        let mut buffer = [0; 1 << 16];
        while matches!(reader.read(&mut buffer), Ok(1..)) {}
    });
    let writer = thread::spawn(move || {
        let lines = b"on and on and on\n".repeat(1000);
        while peer.write_all(&lines).is_ok() {}
    });
    wait_until("it is open", || server.handle.connections() == 1);
    server.handle.shutdown();
    let report = server.join();
    reader.join().unwrap();
    writer.join().unwrap();
    assert_eq!(
        (report.unfinished.connections, report.unfinished.bytes),
        (0, 0)
    );
    assert_eq!(
        report.totals.counters.bytes_in,
        report.totals.counters.bytes_out
    );
}

#[test]
fn the_second_call_cuts_at_once() {
    let builder = Server::builder().workers(2).max_line(STUCK_MAX_LINE);
    let server = Running::start(builder.drain_timeout(PATIENCE * 100));
    let _greedy = stuck_peer(&server);
    server.handle.shutdown();
    server.handle.shutdown();
    assert_eq!(server.join().unfinished.connections, 1);
}

#[test]
fn a_server_that_nobody_uses_ends_at_once() {
    let begin = Instant::now();
    // A worker that is not told of the end looks by itself after some seconds: too late a hundred
    // times, and once in a while it is told a moment too early.
    for _ in 0..100 {
        let server = Running::start(Server::builder().workers(4).drain_timeout(PATIENCE * 100));
        server.handle.shutdown();
        assert_eq!(server.join().totals, Default::default());
    }
    assert!(begin.elapsed() < PATIENCE, "{:?}", begin.elapsed());
}

#[test]
fn an_announced_shutdown_serves_on_until_it_begins() {
    let server = Running::start(Server::builder().workers(2));
    let mut old = server.connect();
    echo(&mut old, b"before\n");
    assert!(!server.handle.is_leaving());
    server.handle.shutdown_after(PATIENCE * 100);
    assert!(server.handle.is_leaving());
    echo(&mut old, b"still served\n");
    echo(&mut server.connect(), b"new ones, too\n");
    // The second call does not wait.
    server.handle.shutdown_after(PATIENCE * 100);
    assert_eq!(rest(&mut old), b"");
    drop(old);
    assert_eq!(server.join().unfinished.connections, 0);
}

#[test]
fn a_delayed_shutdown_begins_by_itself() {
    let server = Running::start(Server::builder().workers(3));
    let mut peer = server.connect();
    echo(&mut peer, b"hello\n");
    server.handle.shutdown_after(Duration::from_millis(50));
    assert_eq!(rest(&mut peer), b"");
    drop(peer);
    assert_eq!(server.join().totals.shutdown, 1);
}

/// So that a signal handler needs nobody's help.
#[test]
#[cfg(unix)]
fn a_byte_on_a_stream_shuts_down_and_a_second_one_cuts() {
    use std::os::unix::net::UnixStream;
    let (mut signal, stream) = UnixStream::pair().unwrap();
    let builder = Server::builder().workers(2).max_line(STUCK_MAX_LINE);
    let builder = builder.drain_timeout(None);
    let server = Running::start(builder.shutdown_on(stream, Duration::ZERO));
    let mut peer = server.connect();
    let _greedy = stuck_peer(&server);
    echo(&mut peer, b"hello\n");
    signal.write_all(b"X").unwrap();
    assert_eq!(rest(&mut peer), b"");
    drop(peer);
    signal.write_all(b"X").unwrap();
    assert_eq!(server.join().unfinished.connections, 1);
}

/// Its end says nothing: a program may have closed what it no longer needs.
#[test]
#[cfg(unix)]
fn the_end_of_a_stream_is_no_shutdown() {
    use std::os::unix::net::UnixStream;
    let (signal, stream) = UnixStream::pair().unwrap();
    let server = Running::start(Server::builder().shutdown_on(stream, Duration::ZERO));
    drop(signal);
    echo(&mut server.connect(), b"still there\n");
    assert!(!server.handle.is_leaving());
}
