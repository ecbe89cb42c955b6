//! The server and those who start it, watch it and replace it: systemd, inetd, relays, balancers.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener};
use std::os::fd::OwnedFd;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixStream};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::kit::{PATIENCE, PROGRAM, Path, Server, command, connect, echo_of, get, wait};

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
fn stdio_serves_one_peer() {
    let mut process = command()
        .arg("--stdio")
        .env("REMOTE_ADDR", "2001:db8::1")
        .env("REMOTE_PORT", "40000")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut input, mut output) = (
        process.stdin.take().unwrap(),
        process.stdout.take().unwrap(),
    );
    input.write_all(b"hello\nand").unwrap();
    let mut echo = [0; 6];
    output.read_exact(&mut echo).unwrap();
    assert_eq!(&echo, b"hello\n");
    // More than the pipes hold.
    let lines = b"line after line\n".repeat(100_000);
    let sent = lines.clone();
    let writer = thread::spawn(move || input.write_all(&sent).unwrap());
    let mut rest = Vec::new();
    output.read_to_end(&mut rest).unwrap();
    writer.join().unwrap();
    assert!(rest == [b"and", &lines[..]].concat());
    assert!(wait(&mut process).unwrap().success());
    let mut log = String::new();
    process
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut log)
        .unwrap();
    assert!(log.contains("peer=[2001:db8::1]:40000"), "{log}");
}

/// inetd gives the connection to all three, and what is logged would be an echo of nothing.
#[test]
fn stdio_does_not_log_to_the_peer() {
    let (own, peer) = UnixStream::pair().unwrap();
    let descriptor = || Stdio::from(OwnedFd::from(peer.try_clone().unwrap()));
    let mut command = command();
    command.args(["--stdio", "-vv"]);
    command
        .stdin(descriptor())
        .stdout(descriptor())
        .stderr(descriptor());
    let mut process = command.spawn().unwrap();
    drop((command, peer));
    let mut own = own;
    own.write_all(b"x\ny").unwrap();
    own.shutdown(Shutdown::Write).unwrap();
    let mut echo = String::new();
    own.read_to_string(&mut echo).unwrap();
    assert_eq!(echo, "x\ny");
    assert!(wait(&mut process).unwrap().success());
}

#[test]
fn stdio_has_the_limits_of_a_session_and_leaves_modes_alone() {
    let (own, peer) = UnixStream::pair().unwrap();
    let mut command = command();
    command.args(["--stdio", "--idle-timeout", "200ms"]);
    let descriptor = || Stdio::from(OwnedFd::from(peer.try_clone().unwrap()));
    command
        .stdin(descriptor())
        .stdout(descriptor())
        .stderr(Stdio::piped());
    let mut process = command.spawn().unwrap();
    drop(command);
    // It ends although nothing comes.
    assert!(wait(&mut process).unwrap().success());
    let mut log = String::new();
    process
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut log)
        .unwrap();
    assert!(log.contains("reason=idle"), "{log}");
    let flags = nix::fcntl::fcntl(&peer, nix::fcntl::FcntlArg::F_GETFL).unwrap();
    assert_eq!(flags & libc::O_NONBLOCK, 0);
    drop(own);
}

#[test]
fn stdio_finishes_what_has_come_when_it_is_stopped() {
    let mut command = command();
    command
        .arg("--stdio")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut process = command.spawn().unwrap();
    let (mut input, mut output) = (
        process.stdin.take().unwrap(),
        process.stdout.take().unwrap(),
    );
    input.write_all(b"x\n").unwrap();
    output.read_exact(&mut [0; 2]).unwrap();
    input.write_all(b"the rest").unwrap();
    let pid = nix::unistd::Pid::from_raw(process.id().cast_signed());
    nix::sys::signal::kill(pid, Signal::SIGTERM).unwrap();
    let mut rest = String::new();
    output.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "the rest");
    assert!(wait(&mut process).unwrap().success());
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

/// A metric's value.
fn metric(text: &str, name: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.unwrap_or_else(|| panic!("no {name} in {text}"))
        .trim()
        .parse()
        .unwrap()
}

#[test]
fn the_administration_shows_what_is_and_goes_first() {
    let path = Path::new("admin");
    let admin = format!("unix:{}", path.text());
    let server = Server::start(&["--admin", &admin, "--drain-delay", "1h"]);
    server.log_line("administration");
    assert_eq!(get(path.connect(), "/healthz").0, 200);
    assert_eq!(get(path.connect(), "/readyz").0, 200);
    assert_eq!(get(path.connect(), "/nothing").0, 404);
    let (status, page) = get(path.connect(), "/");
    assert!(status == 200 && page.contains("/metrics"));

    // A client that asks nothing holds nobody up.
    let _stuck = path.connect();
    let mut open = server.connect();
    open.write_all(b"one\ntwo\n").unwrap();
    open.read_exact(&mut [0; 8]).unwrap();
    let begin = Instant::now();
    let text = loop {
        let (_, text) = get(path.connect(), "/metrics");
        // What an open session did counts when its turn is over.
        if metric(&text, "linecho_echoed_bytes_total") == 8 {
            break text;
        }
        assert!(begin.elapsed() < PATIENCE, "{text}");
    };
    assert!(text.ends_with("# EOF\n"));
    assert_eq!(metric(&text, "linecho_lines_total"), 2);
    assert_eq!(metric(&text, "linecho_connections"), 1);
    assert_eq!(metric(&text, "linecho_ready"), 1);

    server.signal(Signal::SIGTERM);
    server.log_line("about to shut down");
    let begin = Instant::now();
    while get(path.connect(), "/readyz").0 != 503 {
        assert!(begin.elapsed() < PATIENCE);
    }
    assert_eq!(get(path.connect(), "/healthz").0, 200);
    // It serves on, also new connections.
    assert_eq!(echo_of(server.connect(), b"x\n"), "x\\n");
    open.write_all(b"more\n").unwrap();
    open.read_exact(&mut [0; 5]).unwrap();
    // The second one does not wait.
    server.signal(Signal::SIGTERM);
    assert_eq!(open.read(&mut [0]).unwrap(), 0);
    drop(open);
    assert!(server.end().0.success());
    assert!(!path.0.exists());
}

/// A thousand clients of the administration that ask half a question, and never read.
#[test]
fn stuck_clients_of_the_administration_cost_next_to_nothing() {
    const STUCK: usize = 1000;
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, most, most).unwrap();
    let path = Path::new("admin");
    let admin = format!("unix:{}", path.text());
    let server = Server::start(&["--admin", &admin]);
    let mut open = server.connect();
    open.write_all(b"x\n").unwrap();
    open.read_exact(&mut [0; 2]).unwrap();
    let count = |what: &str| {
        let folder = format!("/proc/{}/{what}", server.process.id());
        fs::read_dir(folder).unwrap().count()
    };
    let (threads, descriptors) = (count("task"), count("fd"));

    let stuck: Vec<_> = (0..STUCK)
        .map(|number| {
            let mut stream = path.connect();
            // The answer to the second kind waits to be read.
            let question: &[u8] = match number % 2 {
                0 => b"GET /metr",
                _ => b"GET /metrics HTTP/1.1\r\n\r\n",
            };
            // It may have had to make room already.
            let _ = stream.write_all(question);
            stream
        })
        .collect();
    // One that asks is answered all the same.
    assert_eq!(get(path.connect(), "/healthz").0, 200);
    assert_eq!(count("task"), threads);
    let more = count("fd") - descriptors;
    assert!(more <= 32, "{more} descriptors more");
    open.write_all(b"y\n").unwrap();
    open.read_exact(&mut [0; 2]).unwrap();

    // The last ones of them have their time, and no more.
    let begin = Instant::now();
    while count("fd") > descriptors {
        assert!(begin.elapsed() < PATIENCE);
        thread::sleep(Duration::from_millis(50));
    }
    drop(stuck);
}
