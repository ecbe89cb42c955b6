//! Listening sockets that go from one server to the next.

use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::Duration;

use crate::running::{Listening, PATIENCE, Running, connect, echo, rest, wait_until};
use linecho_std::{Listener, Server, listen, receive_listeners, send_listeners};

fn local() -> Listener {
    listen("127.0.0.1:0".parse().unwrap()).unwrap().into()
}

/// Sends the listeners of one server through a stream, as from process to process.
fn take_over(listeners: &[Listener]) -> Vec<Listener> {
    let (old, new) = UnixStream::pair().unwrap();
    send_listeners(&old, listeners).unwrap();
    receive_listeners(&new).unwrap()
}

#[test]
fn listeners_arrive_as_they_were() {
    let path = std::env::temp_dir().join(format!("linecho-{}-handover", std::process::id()));
    let unix = linecho_std::listen_unix(&path, None).unwrap();
    let listeners = [
        local(),
        local().name("web").require_proxy_header(),
        Listener::from(unix).name("\u{00e4} unix one"),
    ];
    let server = Server::builder().on(listeners).unwrap();
    let taken = take_over(&server.handle().duplicate_listeners().unwrap());
    let next = Server::builder().on(taken).unwrap();
    assert_eq!(next.listeners(), server.listeners());
    std::fs::remove_file(path).unwrap();
}

#[test]
fn other_bytes_are_no_listeners() {
    for bytes in [&b""[..], b"\x02\0\x01", b"\x01\0\x01\0\0\0"] {
        let (mut old, new) = UnixStream::pair().unwrap();
        old.write_all(bytes).unwrap();
        drop(old);
        let error = receive_listeners(&new).unwrap_err();
        let expected = [ErrorKind::UnexpectedEof, ErrorKind::InvalidData];
        assert!(expected.contains(&error.kind()), "{error:?}");
    }
}

#[test]
fn what_waits_is_left_to_the_next_server_and_what_is_open_is_served() {
    let old = Listening::on(Server::builder().workers(2).max_connections(1), local());
    let old = old.start();
    let duplicates = old.handle.duplicate_listeners().unwrap();
    let mut open = old.connect();
    echo(&mut open, b"open\n");
    // The old server is full, so this one waits.
    let mut waiting = old.connect();
    waiting.write_all(b"waiting\n").unwrap();

    old.handle.hand_over(PATIENCE * 100);
    echo(&mut open, b"still served\n");
    let next = Server::builder().on(take_over(&duplicates)).unwrap();
    drop(duplicates);
    let handle = next.handle();
    let next = thread::spawn(move || next.run().unwrap());
    crate::running::expect(&mut waiting, b"waiting\n");
    echo(&mut connect(old.address), b"new\n");
    assert!(old.handle.duplicate_listeners().unwrap().is_empty());
    old.handle.shutdown();
    assert_eq!(rest(&mut open), b"");
    drop(open);
    assert_eq!(old.join().totals.opened, 1);
    handle.shutdown();
    drop(waiting);
    assert_eq!(next.join().unwrap().totals.opened, 2);
}

/// Many clients connect, send a line and close, while servers follow one another.
#[test]
fn no_connection_is_lost_while_servers_follow_one_another() {
    const CLIENTS: usize = 4;
    const SERVERS: usize = 3;
    let first = Listening::on(Server::builder(), local());
    let address = first.server.addresses()[0];
    // The one server that accepts. The last of them is dropped after the clients have ended.
    let mut running: Vec<Running> = vec![first.start()];
    let (done, served) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                while !done.load(SeqCst) {
                    let mut peer = connect(address);
                    peer.write_all(b"a line\n").unwrap();
                    let mut echo = [0; 7];
                    peer.read_exact(&mut echo).unwrap();
                    served.fetch_add(1, SeqCst);
                }
            });
        }
        for _ in 0..SERVERS {
            let before = served.load(SeqCst);
            wait_until("some were served", || served.load(SeqCst) > before + 200);
            let next = {
                let listeners = running[0].handle.duplicate_listeners().unwrap();
                Listening::on_all(Server::builder(), take_over(&listeners)).start()
            };
            let old = running.remove(0);
            running.push(next);
            old.handle.hand_over(Duration::from_millis(500));
            assert_eq!(old.join().unfinished.connections, 0);
        }
        done.store(true, SeqCst);
    });
}

/// As systemd does, which keeps the socket.
#[test]
fn what_waits_at_a_shared_socket_is_left_to_the_next_server() {
    let socket = listen("127.0.0.1:0".parse().unwrap()).unwrap();
    let kept = socket.try_clone().unwrap();
    let builder = Server::builder().max_connections(1);
    let old = Listening::on(builder, Listener::from(socket).shared()).start();
    let mut open = old.connect();
    echo(&mut open, b"open\n");
    let mut waiting = old.connect();
    waiting.write_all(b"waiting\n").unwrap();
    old.handle.shutdown();
    assert_eq!(rest(&mut open), b"");
    drop(open);
    assert_eq!(old.join().totals.opened, 1);
    let _next = Listening::on(Server::builder(), kept).start();
    crate::running::expect(&mut waiting, b"waiting\n");
}

/// The successor came while the old server was about to end anyway.
#[test]
fn a_hand_over_does_not_hurry_a_shutdown() {
    let old = Listening::on(Server::builder(), local()).start();
    let mut open = old.connect();
    echo(&mut open, b"open\n");
    old.handle.shutdown_after(PATIENCE * 100);
    let taken = take_over(&old.handle.duplicate_listeners().unwrap());
    old.handle.hand_over(Duration::ZERO);
    wait_until("it accepts no more", || {
        old.handle.duplicate_listeners().unwrap().is_empty()
    });
    echo(&mut open, b"still served\n");
    old.handle.shutdown();
    // The session ends, and the peer has not closed its side: it is not cut.
    assert_eq!(rest(&mut open), b"");
    old.handle.hand_over(Duration::ZERO);
    drop(open);
    let report = old.join();
    assert!(!report.hurried);
    drop(taken);
}
