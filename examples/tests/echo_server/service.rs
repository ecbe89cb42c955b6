//! The server and those who start it and stand before it: systemd and relays.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::process::{Command, Stdio};

use nix::sys::signal::Signal;

use crate::kit::{PATIENCE, PROGRAM, Path, Server, command, connect, echo_of};

/// The program with a listening socket as descriptor 3, as systemd starts it. `LISTEN_PID` is its
/// own, or this one.
fn activated(socket: impl Into<OwnedFd>, pid: &str) -> Command {
    let script = format!("export LISTEN_PID={pid}; exec \"$0\" \"$@\" 3<&0 </dev/null");
    let mut command = Command::new("sh");
    command.env_clear().args(["-c", &script, PROGRAM]);
    command.stdin(Stdio::from(socket.into()));
    command.env("LISTEN_FDS", "1").env("LISTEN_FDNAMES", "web");
    command
}

#[test]
fn a_socket_of_systemd_is_served_under_its_name() {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let mut command = activated(socket, "$$");
    let server = Server::start_command(command.args(["-v", "--log-format", "json"]), 0);
    assert_eq!(echo_of(connect(address), b"hello\n"), "hello\\n");
    let line = server.log_line("\"event\":\"closed\"");
    assert!(line.contains("\"listener\":\"web\""), "{line}");
    server.signal(Signal::SIGTERM);
    let (status, log) = server.end();
    assert!(status.success(), "{log:?}");
}

#[test]
fn a_unix_socket_of_systemd_is_served_and_its_file_stays() {
    let path = Path::new("activated");
    let socket = std::os::unix::net::UnixListener::bind(&path.0).unwrap();
    let server = Server::start_command(&mut activated(socket, "$$"), 0);
    let mut peer = path.connect();
    peer.write_all(b"x\n").unwrap();
    peer.read_exact(&mut [0; 2]).unwrap();
    drop(peer);
    server.signal(Signal::SIGTERM);
    assert!(server.end().0.success());
    assert!(path.0.exists());
}

#[test]
fn sockets_for_another_process_are_left_alone() {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let other = socket.local_addr().unwrap();
    let mut command = activated(socket, "1");
    let server = Server::start_command(command.args(["--listen", "127.0.0.1:0"]), 1);
    assert_ne!(server.addresses[0], other);
    let mut command = activated(TcpListener::bind("127.0.0.1:0").unwrap(), "$$");
    command
        .env("LISTEN_PIDFDID", "1")
        .args(["--listen", "127.0.0.1:0"]);
    // One more address would be printed first.
    let server = Server::start_command(&mut command, 1);
    assert_eq!(echo_of(server.connect(), b"x\n"), "x\\n");
}

#[test]
fn listen_adds_to_the_sockets_of_systemd() {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let mut command = activated(socket, "$$");
    command.env_remove("LISTEN_FDNAMES");
    let server = Server::start_command(command.args(["--listen", "127.0.0.1:0"]), 2);
    assert_eq!(server.addresses[0], address);
    for address in &server.addresses {
        assert_eq!(echo_of(connect(*address), b"x\n"), "x\\n");
    }
}

/// The socket is there already; the command line says what is done with its connections.
#[test]
fn an_option_may_name_a_socket_of_systemd() {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let mut command = activated(socket, "$$");
    let server = Server::start_command(
        command.args(["--proxy-listen", &format!("relays={address}"), "-v"]),
        0,
    );
    let header = b"PROXY TCP4 192.0.2.1 192.0.2.2 40000 7\r\nx\n";
    assert_eq!(echo_of(connect(address), header), "x\\n");
    let line = server.log_line("opened");
    assert!(
        line.contains("peer=192.0.2.1:40000") && line.contains("listener=relays"),
        "{line}"
    );
}

#[test]
fn systemd_is_told_how_the_server_is() {
    let name = format!("echo-server-test-{}", std::process::id());
    let address = SocketAddr::from_abstract_name(&name).unwrap();
    let manager = UnixDatagram::bind_addr(&address).unwrap();
    manager.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut command = command();
    command.args(["--listen", "127.0.0.1:0"]);
    command.env("NOTIFY_SOCKET", format!("@{name}"));
    command.env("WATCHDOG_USEC", "1000000");
    let server = Server::start_command(&mut command, 1);
    let next = || {
        let mut message = [0; 256];
        let length = manager.recv(&mut message).unwrap();
        String::from_utf8(message[..length].to_vec()).unwrap()
    };
    assert_eq!(next(), "READY=1");
    assert_eq!(echo_of(server.connect(), b"x\n"), "x\\n");
    let (mut is_alive, mut has_status) = (false, false);
    while !is_alive || !has_status {
        match next().as_str() {
            "WATCHDOG=1" => is_alive = true,
            "STATUS=0 connections open, 1 so far, 1 line" => has_status = true,
            other => assert!(other.starts_with("STATUS="), "{other}"),
        }
    }
    server.signal(Signal::SIGTERM);
    while next() != "STOPPING=1" {}
    assert!(server.end().0.success());
}

#[test]
fn a_relay_names_the_peer_in_the_log() {
    let server = Server::start_command(command().args(["--proxy-listen", "127.0.0.1:0"]), 1);
    let echo = echo_of(
        server.connect(),
        b"PROXY TCP4 192.0.2.1 192.0.2.2 40000 7\r\nx\n",
    );
    assert_eq!(echo, "x\\n");
    let line = server.log_line("closed");
    assert!(
        line.contains("peer=192.0.2.1:40000") && line.contains("relay=127.0.0.1:"),
        "{line}"
    );
    let mut wrong = server.connect();
    wrong.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    let line = server.log_line("refused");
    assert!(line.contains("no PROXY header"), "{line}");
}

#[test]
fn a_unix_socket_has_its_mode_and_is_removed_in_the_end() {
    let path = Path::new("own");
    let listen = format!("local=unix:{}", path.text());
    let mut command = command();
    command.args([
        "--listen",
        "127.0.0.1:0",
        "--listen",
        &listen,
        "--unix-mode",
        "620",
    ]);
    let server = Server::start_command(&mut command, 1);
    let mode = fs::metadata(&path.0).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o620);
    let mut peer = path.connect();
    peer.write_all(b"x\n").unwrap();
    peer.read_exact(&mut [0; 2]).unwrap();
    drop(peer);
    let line = server.log_line("closed");
    assert!(line.contains("listener=local"), "{line}");
    server.signal(Signal::SIGTERM);
    assert!(server.end().0.success());
    assert!(!path.0.exists());
}
