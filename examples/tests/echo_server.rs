//! The program echo-server: arguments, environment, exit codes, signals, logs.
#![cfg(unix)]

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

const PROGRAM: &str = env!("CARGO_BIN_EXE_echo-server");

/// No wait takes longer, or its test fails.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running server. It is killed when this is dropped.
struct Server {
    process: Child,
    addresses: Vec<SocketAddr>,
    log: Receiver<String>,
}

impl Server {
    /// Starts it on one address.
    fn start(arguments: &[&str]) -> Self {
        let listen = ["--listen", "127.0.0.1:0"];
        Self::start_command(command().args(listen).args(arguments), 1)
    }

    /// Starts it and waits until it listens on so many addresses.
    fn start_command(command: &mut Command, addresses: usize) -> Self {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = command.spawn().unwrap();
        let output = lines(process.stdout.take().unwrap());
        let log = lines(process.stderr.take().unwrap());
        let mut server = Self {
            process,
            addresses: Vec::new(),
            log,
        };
        for _ in 0..addresses {
            let line = output.recv_timeout(PATIENCE).unwrap();
            let address = line.strip_prefix("listening ").unwrap();
            server.addresses.push(address.parse().unwrap());
        }
        server
    }

    fn connect(&self) -> TcpStream {
        connect(self.addresses[0])
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.process.id().cast_signed()), signal).unwrap();
    }

    /// The next line of the log that contains this.
    fn log_line(&self, part: &str) -> String {
        loop {
            let line = self.log.recv_timeout(PATIENCE);
            let line = line.unwrap_or_else(|_| panic!("no {part:?} in the log"));
            if line.contains(part) {
                return line;
            }
        }
    }

    /// Waits for its end; what it still logged.
    fn end(mut self) -> (ExitStatus, Vec<String>) {
        let status = wait(&mut self.process);
        (status, self.log.iter().collect())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The program without the settings of whoever runs the tests.
fn command() -> Command {
    let mut command = Command::new(PROGRAM);
    command.env_clear().stdin(Stdio::null());
    command
}

/// Runs a program that ends by itself.
fn run(arguments: &[&str]) -> Output {
    let mut process = command()
        .args(arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    wait(&mut process);
    process.wait_with_output().unwrap()
}

fn wait(process: &mut Child) -> ExitStatus {
    let limit = Instant::now() + PATIENCE;
    loop {
        if let Some(status) = process.try_wait().unwrap() {
            return status;
        }
        if Instant::now() > limit {
            let _ = process.kill();
            panic!("it did not end");
        }
        thread::sleep(Duration::from_millis(5));
    }
}

fn lines(stream: impl std::io::Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    receiver
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect_timeout(&address, PATIENCE).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// What comes back for this, when nothing follows it.
fn echo_of(mut stream: TcpStream, bytes: &[u8]) -> String {
    stream.write_all(bytes).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut echo = Vec::new();
    stream.read_to_end(&mut echo).unwrap();
    echo.escape_ascii().to_string()
}

#[test]
fn it_listens_on_both_families_and_echoes() {
    let v6 = TcpListener::bind("[::1]:0").is_ok();
    let server = Server::start_command(command().args(["--listen", "0"]), 1 + usize::from(v6));
    assert_eq!(server.addresses[0].ip().to_string(), "127.0.0.1");
    for &address in &server.addresses {
        assert_ne!(address.port(), 0);
        assert_eq!(echo_of(connect(address), b"x\ny\0\xff"), r"x\ny\x00\xff");
    }
    if !v6 {
        server.log_line("cannot listen on [::1]:");
    }
}

#[test]
fn it_listens_on_many_addresses() {
    let listen = [
        "--listen",
        "127.0.0.1:0",
        "--listen",
        "127.0.0.1:0,127.0.0.1:0",
    ];
    let server = Server::start_command(command().args(listen), 3);
    for &address in &server.addresses {
        assert_eq!(echo_of(connect(address), b"line\n"), r"line\n");
    }
    let ports: BTreeSet<_> = server.addresses.iter().map(SocketAddr::port).collect();
    assert_eq!(ports.len(), 3);
}

#[test]
fn a_taken_port_ends_it_with_1_and_says_what_to_do() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = run(&["--listen", &address]);
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stdout.is_empty());
    let error = String::from_utf8(output.stderr).unwrap();
    for part in [&*address, "in use", "--listen"] {
        assert!(error.contains(part), "{error}");
    }
}

#[test]
fn a_host_that_nobody_knows_ends_it_with_1() {
    let output = run(&["--listen", "no-such-host.invalid:7"]);
    assert_eq!(output.status.code(), Some(1));
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.contains("no-such-host.invalid"), "{error}");
}

#[test]
fn wrong_usage_ends_it_with_2_and_names_the_option() {
    for (option, value) in [
        ("--listen", "host"),
        ("--listen", "::1:7"),
        ("--max-line", "x"),
        ("--max-line", "0"),
        ("--long-lines", "explode"),
        ("--max-connections", "0"),
        ("--idle-timeout", "5"),
        ("--write-timeout", "soon"),
        ("--drain-timeout", "-1s"),
        ("--workers", "0"),
        ("--log-format", "xml"),
        ("--no-such-option", "x"),
    ] {
        let output = run(&[&format!("{option}={value}")]);
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{option} {value}: {error}");
        assert!(error.contains(option), "{error}");
    }
}

#[test]
fn options_come_from_the_environment_too() {
    let mut configured = command();
    configured.envs([
        ("LINECHO_LISTEN", "127.0.0.1:0,127.0.0.1:0"),
        ("LINECHO_MAX_LINE", "8"),
        ("LINECHO_LONG_LINES", "discard"),
        ("LINECHO_MAX_CONNECTIONS", "1000"),
        ("LINECHO_IDLE_TIMEOUT", "1h"),
        ("LINECHO_WRITE_TIMEOUT", "1m 30s"),
        ("LINECHO_DRAIN_TIMEOUT", "1s"),
        ("LINECHO_WORKERS", "2"),
        ("LINECHO_VERBOSE", "1"),
        ("LINECHO_QUIET", "false"),
        ("LINECHO_LOG_FORMAT", "json"),
    ]);
    let server = Server::start_command(&mut configured, 2);
    assert_eq!(
        echo_of(server.connect(), b"too long a line\nshort\n"),
        r"short\n"
    );
    let closed: Value = serde_json::from_str(&server.log_line("closed")).unwrap();
    assert_eq!(closed["overlong"], 1);

    let mut wrong = command();
    let mut wrong = wrong
        .env("LINECHO_MAX_LINE", "x")
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    assert_eq!(wait(&mut wrong).code(), Some(2));
}

#[test]
fn a_signal_lets_it_finish_what_it_has_taken_in() {
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let server = Server::start(&[]);
        let mut peer = server.connect();
        peer.write_all(b"a line\nand a rest").unwrap();
        server.signal(signal);
        let mut echo = String::new();
        peer.read_to_string(&mut echo).unwrap();
        assert_eq!(echo, "a line\nand a rest");
        drop(peer);
        let (status, log) = server.end();
        assert_eq!(status.code(), Some(0));
        assert!(
            log.iter().any(|line| line.contains("reason=shutdown")),
            "{log:?}"
        );
        assert!(
            log.last()
                .unwrap()
                .contains("stopped connections=1 lines=1"),
            "{log:?}"
        );
    }
}

#[test]
fn a_second_signal_stops_it_at_once() {
    let server = Server::start(&["--drain-timeout", "1h"]);
    let peer = server.connect();
    server.log_line("opened");
    // As much as the kernel keeps between two programs that do not read: the echo is stuck, and a
    // drain never ends.
    peer.set_nonblocking(true).unwrap();
    let lines = b"a line that is not read\n".repeat(1000);
    let mut refusals = 0;
    while refusals < 20 {
        if (&peer).write(&lines).is_ok() {
            refusals = 0;
        } else {
            refusals += 1;
            thread::sleep(Duration::from_millis(10));
        }
    }
    server.signal(Signal::SIGTERM);
    server.log_line("shutting down");
    server.signal(Signal::SIGINT);
    let (status, log) = server.end();
    assert_eq!(status.code(), Some(0));
    assert!(log.iter().any(|line| line.contains("cut")), "{log:?}");
}

#[test]
fn the_log_names_peer_lines_bytes_duration_and_reason() {
    let server = Server::start(&[]);
    let peer = server.connect();
    let address = peer.local_addr().unwrap();
    echo_of(peer, b"one\ntwo\nrest");
    assert!(
        server
            .log_line("opened")
            .contains(&format!("peer={address}"))
    );
    let closed = server.log_line("closed");
    for part in [
        &*format!("peer={address}"),
        "lines=2",
        "bytes_in=12",
        "bytes_out=12",
        "seconds=",
        "reason=\"peer closed\"",
    ] {
        assert!(closed.contains(part), "{closed}");
    }
}

#[test]
fn content_is_logged_at_the_most_verbose_level_only_escaped_and_cut() {
    for (verbosity, shown) in [("-v", false), ("-vv", true)] {
        let server = Server::start(&[verbosity]);
        echo_of(server.connect(), b"secret \x1b[2J\0\n");
        server.signal(Signal::SIGTERM);
        let (_, log) = server.end();
        let log = log.concat();
        assert_eq!(log.contains(r"secret \x1b[2J\x00\n"), shown, "{log}");
        assert!(!log.contains('\x1b'));
    }
    let server = Server::start(&["-vv"]);
    echo_of(server.connect(), &[b'x'; 10_000]);
    assert!(server.log_line("content=\"x").len() < 1000);
}

#[test]
fn quiet_logs_nothing_but_warnings() {
    let server = Server::start(&["-q"]);
    assert_eq!(echo_of(server.connect(), b"line\n"), r"line\n");
    server.signal(Signal::SIGTERM);
    let (status, log) = server.end();
    assert_eq!((status.code(), log.len()), (Some(0), 0), "{log:?}");
}

/// It is full, says so without a flood, uses next to no time, and serves again when there is room.
#[test]
fn it_survives_the_lack_of_file_descriptors() {
    const CLIENTS: usize = 200;
    let mut limited = Command::new("sh");
    limited.env_clear().stdin(Stdio::null());
    limited.args(["-c", "ulimit -n 64; exec \"$@\"", "sh", PROGRAM]);
    limited.args(["--listen", "127.0.0.1:0", "--log-format", "json"]);
    let server = Server::start_command(&mut limited, 1);
    let mut peers: Vec<_> = (0..CLIENTS).map(|_| server.connect()).collect();
    for peer in &mut peers {
        peer.write_all(b"let me in\n").unwrap();
    }
    // The second comes a second later: it was full all the time between.
    server.log_line("cannot accept");
    let before = cpu_seconds(&server);
    let first = Instant::now();
    server.log_line("cannot accept");
    let (used, passed) = (cpu_seconds(&server) - before, first.elapsed().as_secs_f64());
    assert!(used < 0.05 * passed + 0.02, "{used} s of CPU in {passed} s");

    // All are served, as far as there is room for, while those that are served leave.
    for mut peer in peers {
        let mut echo = [0; 10];
        peer.read_exact(&mut echo).unwrap();
        assert_eq!(&echo, b"let me in\n");
    }
    assert_eq!(echo_of(server.connect(), b"again\n"), r"again\n");
    server.signal(Signal::SIGTERM);
    let (status, log) = server.end();
    assert_eq!(status.code(), Some(0));
    let stopped: Value = serde_json::from_str(log.last().unwrap()).unwrap();
    assert_eq!(stopped["connections"], CLIENTS + 1);
}

/// Time that a process has spent on a core.
#[cfg(target_os = "linux")]
fn cpu_seconds(server: &Server) -> f64 {
    let pid = Pid::from_raw(server.process.id().cast_signed());
    let time = nix::time::clock_getcpuclockid(pid).unwrap().now().unwrap();
    Duration::from(time).as_secs_f64()
}

/// Not known.
#[cfg(not(target_os = "linux"))]
fn cpu_seconds(_: &Server) -> f64 {
    0.0
}
