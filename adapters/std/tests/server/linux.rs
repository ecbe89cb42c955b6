//! Endings and starts that other systems do not let a program see.

use std::cell::Cell;
use std::io::{ErrorKind, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use crate::running::{
    Event, Listening, Running, STUCK_MAX_LINE, echo, rest, slow_peer, stuck_peer, wait_until,
};
use linecho_std::{Reason, Server, StartError, listen};
use socket2::{Domain, SockRef, Socket, Type};

/// A timeout of the kernel is no reset by the peer: here `TCP_USER_TIMEOUT`, in which the peer
/// takes nothing. A peer that vanished ends the same way.
#[test]
fn a_connection_that_timed_out_is_no_reset() {
    let listener = listen("127.0.0.1:0".parse().unwrap()).unwrap();
    let socket = SockRef::from(&listener);
    socket
        .set_tcp_user_timeout(Some(Duration::from_millis(200)))
        .unwrap();
    socket.set_send_buffer_size(16 << 10).unwrap();
    let server = Listening::on(Server::builder().max_line(STUCK_MAX_LINE), listener).start();
    let _peer = stuck_peer(&server);
    let timed_out = Reason::Failed(ErrorKind::TimedOut.into());
    assert_eq!(server.closed().reason, timed_out);
}

/// There is no need to: they have everything.
#[test]
fn idle_peers_that_do_not_close_are_not_waited_for() {
    let server = Running::start(Server::builder().workers(2));
    let mut peers: Vec<_> = (0..50).map(|_| server.connect()).collect();
    for peer in &mut peers {
        echo(peer, b"hello\n");
    }
    let begin = Instant::now();
    server.handle.shutdown();
    assert_eq!(server.join().totals.shutdown, 50);
    // Half of what a peer is waited for that may not have everything.
    assert!(begin.elapsed() < Duration::from_secs(1), "{begin:?}");
}

/// Its echo lies with our kernel, and would be lost if the connection was closed now: what the peer
/// sends after that is answered with a reset.
#[test]
fn a_peer_that_does_not_have_everything_is_waited_for() {
    let server = Running::start(Server::builder().max_line(STUCK_MAX_LINE));
    let mut peer = slow_peer(&server);
    let lines = b"a line that is read late\n".repeat(1200);
    peer.write_all(&lines).unwrap();
    let echoed = Cell::new(0);
    wait_until("all came", || {
        let mut content = 0;
        while let Ok(event) = server.events.try_recv() {
            if let Event::Echoed(_, bytes) = event {
                content += bytes.len();
            }
        }
        echoed.set(echoed.get() + content);
        echoed.get() == lines.len()
    });
    server.handle.shutdown();
    assert_eq!(server.closed().reason, Reason::Shutdown);
    let mut arrived = vec![0; lines.len()];
    let arrived = peer.peek(&mut arrived).unwrap();
    assert!(arrived < lines.len(), "nothing is left with our kernel");
    // Longer than a peer is waited for that has everything.
    thread::sleep(Duration::from_millis(500));
    peer.write_all(b"one more line\n").unwrap();
    assert!(rest(&mut peer) == lines, "the echo is not whole");
}

/// macOS and Windows do not tell whether a socket listens.
#[test]
fn a_socket_that_does_not_listen_is_refused() {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
    socket.bind(&any.into()).unwrap();
    let bound = socket.local_addr().unwrap().as_socket().unwrap();
    let error = Server::builder().on([TcpListener::from(socket)]).err();
    assert!(
        matches!(&error, Some(StartError::NotListening(address)) if *address == bound.into()),
        "{error:?}"
    );

    let listener = TcpListener::bind(any).unwrap();
    let peer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let own = peer.local_addr().unwrap();
    let connected = TcpListener::from(std::os::fd::OwnedFd::from(peer));
    let error = Server::builder().on([listener, connected]).err();
    assert!(
        matches!(&error, Some(StartError::NotListening(address)) if *address == own.into()),
        "{error:?}"
    );
}
