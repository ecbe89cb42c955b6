//! Servers that identify themselves: one line of JSON before the first echo.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};

use linecho_std::{Identity, Listener, Reason, Server, listen, proxy_v1, proxy_v2};

use crate::running::{Listening, Running, echo, rest, wait_until};

const NAME: &str = "pod \"1\"\n";

/// Reads the greeting, and nothing of what follows.
fn greeting(peer: &mut TcpStream) -> Identity {
    let mut line = Vec::new();
    while line.last() != Some(&b'\n') {
        let mut byte = [0];
        peer.read_exact(&mut byte).unwrap();
        line.extend(byte);
    }
    Identity::parse(&line).unwrap_or_else(|| panic!("{:?}", line.escape_ascii().to_string()))
}

#[test]
fn a_peer_is_greeted_before_it_has_sent_anything() {
    let server = Running::start(Server::builder().identify(NAME));
    let mut peer = server.connect();
    let identity = greeting(&mut peer);
    assert_eq!(identity.backend.name, NAME);
    assert_eq!(identity.backend.version, env!("CARGO_PKG_VERSION"));
    assert_eq!(identity.backend.address, server.address.to_string());
    assert_eq!(identity.peer, peer.local_addr().unwrap().to_string());
    assert_eq!(identity.proxy, None);
    echo(&mut peer, b"line\n");
}

/// However much it has sent before it reads.
#[test]
fn the_greeting_goes_before_the_echo() {
    let server = Running::start(Server::builder().identify(NAME).workers(2));
    let lines = b"a line\n".repeat(1000);
    for _ in 0..20 {
        let mut peer = server.connect();
        peer.write_all(&lines).unwrap();
        peer.write_all(b"rest").unwrap();
        peer.shutdown(Shutdown::Write).unwrap();
        assert_eq!(greeting(&mut peer).backend.name, NAME);
        let came = rest(&mut peer);
        assert!(came == [&lines[..], b"rest"].concat());
        let end = server.closed();
        assert_eq!(end.reason, Reason::PeerClosed);
        // It is not counted.
        let sent = lines.len() as u64 + 4;
        assert_eq!(
            (end.counters.bytes_in, end.counters.bytes_out),
            (sent, sent)
        );
        assert_eq!(end.counters.lines, 1000);
    }
}

#[test]
fn a_peer_that_only_looks_is_a_health_check() {
    let server = Running::start(Server::builder().identify(NAME));
    let peer = server.connect();
    peer.shutdown(Shutdown::Write).unwrap();
    let mut lines = BufReader::new(peer);
    let mut line = Vec::new();
    lines.read_until(b'\n', &mut line).unwrap();
    assert!(Identity::parse(&line).is_some());
    assert_eq!(lines.read(&mut [0]).unwrap(), 0);
    assert!(server.closed().is_health_check());
}

#[test]
fn a_proxy_header_comes_first_and_is_told() {
    let socket = listen("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = Listener::from(socket).require_proxy_header();
    let server = Listening::on(Server::builder().identify(NAME), listener).start();
    let (client, front) = (
        "192.0.2.1:40000".parse().unwrap(),
        "192.0.2.2:7".parse().unwrap(),
    );
    for (version, header) in [(1, proxy_v1(client, front)), (2, proxy_v2(client, front))] {
        let mut relay = server.connect();
        // Nothing goes back before the header is whole.
        relay.write_all(&header[..10]).unwrap();
        relay.set_nonblocking(true).unwrap();
        assert!(relay.read(&mut [0]).is_err());
        relay.set_nonblocking(false).unwrap();
        relay.write_all(&header[10..]).unwrap();
        let identity = greeting(&mut relay);
        assert_eq!(identity.peer, client.to_string());
        let proxy = identity.proxy.unwrap();
        assert_eq!(proxy.version, version);
        assert_eq!(proxy.relay, relay.local_addr().unwrap().to_string());
        assert_eq!(proxy.source, Some(client.to_string()));
        assert_eq!(proxy.destination, Some(front.to_string()));
        echo(&mut relay, b"line\n");
    }
    let mut relay = server.connect();
    relay.write_all(b"PROXY UNKNOWN\r\nline\n").unwrap();
    let proxy = greeting(&mut relay).proxy.unwrap();
    assert_eq!(
        (proxy.version, proxy.source, proxy.destination),
        (1, None, None)
    );
    crate::running::expect(&mut relay, b"line\n");
}

#[cfg(unix)]
#[test]
fn a_unix_socket_is_greeted_too() {
    let path = std::env::temp_dir().join(format!("linecho-identify-{}", std::process::id()));
    let _ = std::fs::remove_file(&path);
    let socket = std::os::unix::net::UnixListener::bind(&path).unwrap();
    let server = Listening::on(Server::builder().identify(NAME), socket).start();
    let mut peer = std::os::unix::net::UnixStream::connect(&path).unwrap();
    peer.write_all(b"line\n").unwrap();
    peer.shutdown(Shutdown::Write).unwrap();
    let mut came = Vec::new();
    peer.read_to_end(&mut came).unwrap();
    let end = came.iter().position(|&byte| byte == b'\n').unwrap() + 1;
    let identity = Identity::parse(&came[..end]).unwrap();
    assert_eq!(identity.peer, "unix");
    assert_eq!(identity.backend.address, format!("unix:{}", path.display()));
    assert_eq!(&came[end..], b"line\n");
    drop(server);
    let _ = std::fs::remove_file(&path);
}

/// What has arrived is echoed, behind the greeting.
#[test]
fn a_shutdown_greets_those_who_wait() {
    let server = Listening::new(Server::builder().identify(NAME));
    let address = server.server.addresses()[0];
    let mut peers: Vec<_> = (0..20).map(|_| crate::running::connect(address)).collect();
    for peer in &mut peers {
        peer.write_all(b"line\nrest").unwrap();
    }
    let handle = server.server.handle();
    handle.shutdown();
    let server = server.start();
    for peer in &mut peers {
        assert_eq!(greeting(peer).backend.name, NAME);
        assert_eq!(rest(peer), b"line\nrest");
    }
    drop(peers);
    wait_until("all are closed", || handle.connections() == 0);
    assert_eq!(server.join().unfinished.bytes, 0);
}
