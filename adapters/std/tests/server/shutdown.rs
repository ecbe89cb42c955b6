//! What a shutdown finishes, and what it cuts.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use crate::running::{
    Listening, PATIENCE, Running, STUCK_MAX_LINE, connect, echo, rest, stuck_peer,
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
    crate::running::wait_until("it is open", || server.handle.connections() == 1);
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
    let server = Running::start(Server::builder().workers(4).drain_timeout(PATIENCE * 100));
    server.handle.shutdown();
    assert_eq!(server.join().totals, Default::default());
}
