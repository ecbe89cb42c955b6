//! The log: what is in it, and that nobody has to read it.

use std::fs::File;
use std::io::{self, Read, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::process::{Child, Stdio};
use std::time::Duration;

use nix::pty::openpty;
use nix::sys::signal::{Signal, kill};
use nix::sys::termios::{FlowArg, tcflow};
use nix::unistd::Pid;
use serde_json::Value;

use crate::kit::{PATIENCE, Server, command, connect, echo_of, lines, run, wait};

#[test]
fn the_log_names_peer_lines_bytes_duration_and_reason() {
    let server = Server::start(&["-v"]);
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

#[test]
fn a_json_log_is_json_from_start_to_end() {
    let mut command = command();
    command.args(["--listen", "127.0.0.1:0", "--log-format", "json", "-vv"]);
    let server = Server::start_command(&mut command, 1);
    let address = server.addresses[0].to_string();
    echo_of(server.connect(), b"caf\xc3\xa9 \"\\\"\n");
    server.signal(Signal::SIGTERM);
    let (_, log) = server.end();
    for line in &log {
        let event: Value = serde_json::from_str(line).unwrap();
        assert!(line.starts_with("{\"time\":"), "{line}");
        match event["event"].as_str().unwrap() {
            "listening" => assert_eq!(event["address"], address),
            // Escaped once, by JSON.
            "echoed" => assert_eq!(event["content"], "café \"\\\"\n"),
            _ => {}
        }
    }
    for event in ["listening", "opened", "echoed", "closed", "stopped"] {
        let event = format!("\"event\":\"{event}\"");
        assert!(
            log.iter().any(|line| line.contains(&event)),
            "{event}: {log:?}"
        );
    }
}

#[test]
fn what_it_cannot_start_for_is_json_too() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = run(&["--listen", &address, "--log-format", "json"]);
    assert_eq!(output.status.code(), Some(1));
    let event: Value = serde_json::from_slice(&output.stderr).unwrap();
    assert_eq!(event["level"], "error");
    assert!(
        event["error"].as_str().unwrap().contains(&address),
        "{event}"
    );
}

#[test]
fn health_checks_are_told_from_clients() {
    for (verbosity, shown) in [("-v", true), ("--drain-timeout=5s", false)] {
        let server = Server::start(&[verbosity]);
        // One that sends nothing, and one that resets after its echo has come.
        echo_of(server.connect(), b"");
        let mut check = server.connect();
        check.write_all(b"ping\n").unwrap();
        check.read_exact(&mut [0; 5]).unwrap();
        reset(check);
        let client = server.connect();
        let address = client.local_addr().unwrap();
        echo_of(client, b"a client\n");
        server.signal(Signal::SIGTERM);
        let (_, log) = server.end();
        let closed = log.iter().filter(|line| line.contains(" closed "));
        let closed: Vec<_> = closed.collect();
        assert_eq!(closed.len(), if shown { 3 } else { 1 }, "{log:?}");
        assert!(
            closed
                .iter()
                .any(|line| line.contains(&address.to_string()))
        );
    }
}

/// Closes with a reset.
fn reset(stream: TcpStream) {
    let linger = Some(Duration::ZERO);
    socket2::Socket::from(stream).set_linger(linger).unwrap();
}

/// The connections of a test, of whose log a third fits into the queue and a pipe.
const CONNECTIONS: usize = 3000;

/// A log that nobody reads: a pipe that is full, and a terminal that is stopped.
#[test]
fn a_log_that_nobody_reads_holds_up_nobody() {
    let (reader, pipe) = io::pipe().unwrap();
    let mut server = serve_without_a_reader(pipe.into());
    terminate(&mut server);
    drop(reader);

    let terminal = openpty(None, None).unwrap();
    tcflow(&terminal.slave, FlowArg::TCOOFF).unwrap();
    let mut server = serve_without_a_reader(terminal.slave);
    terminate(&mut server);
}

#[test]
fn a_log_that_is_read_again_says_how_many_lines_were_dropped() {
    let (reader, pipe) = io::pipe().unwrap();
    let server = serve_without_a_reader(pipe.into());
    assert_dropped_lines_are_counted(server, reader);

    let terminal = openpty(None, None).unwrap();
    tcflow(&terminal.slave, FlowArg::TCOOFF).unwrap();
    let server = serve_without_a_reader(terminal.slave.try_clone().unwrap());
    tcflow(&terminal.slave, FlowArg::TCOON).unwrap();
    drop(terminal.slave);
    assert_dropped_lines_are_counted(server, File::from(terminal.master));
}

fn serve_without_a_reader(stderr: OwnedFd) -> (Child, SocketAddr) {
    let server = start_logging_to(stderr);
    let line = [&[b'x'; 199][..], b"\n"].concat();
    for _ in 0..CONNECTIONS {
        assert_eq!(echo_of(connect(server.1), &line).len(), 201);
    }
    server
}

fn terminate((process, _): &mut (Child, SocketAddr)) {
    kill(Pid::from_raw(process.id().cast_signed()), Signal::SIGTERM).unwrap();
    assert_eq!(wait(process).unwrap().code(), Some(0));
}

fn assert_dropped_lines_are_counted(
    mut server: (Child, SocketAddr),
    stderr: impl Read + Send + 'static,
) {
    let log = lines(stderr);
    let dropped_in = |line: &str| {
        let (_, dropped) =
            line.split_once(" log lines were dropped, since nobody read them lines=")?;
        dropped.trim().parse::<usize>().ok()
    };
    let is_of_a_connection = |line: &str| {
        [" opened ", " echoed ", " closed "]
            .iter()
            .any(|event| line.contains(event))
    };
    let mut written = 0;
    let mut dropped = loop {
        let line = log.recv_timeout(PATIENCE).unwrap();
        if let Some(dropped) = dropped_in(&line) {
            break dropped;
        }
        written += usize::from(is_of_a_connection(&line));
    };
    // The log was full long before the last thousand connections.
    assert!(written < 3 * (CONNECTIONS - 1000), "{written} were written");
    // It goes on.
    echo_of(connect(server.1), b"again\n");
    terminate(&mut server);
    let mut is_there = false;
    for line in log {
        dropped += dropped_in(&line).unwrap_or(0);
        written += usize::from(is_of_a_connection(&line));
        is_there |= line.contains("again");
    }
    assert!(is_there);
    assert_eq!(written + dropped, 3 * (CONNECTIONS + 1));
}

/// Starts a server that logs all that it can.
fn start_logging_to(stderr: OwnedFd) -> (Child, SocketAddr) {
    let mut command = command();
    command
        .args(["--listen", "127.0.0.1:0", "-vv"])
        // As long as this test waits: its end does not wait for the log.
        .args(["--drain-timeout", "30s"])
        .stdout(Stdio::piped())
        .stderr(stderr);
    let mut process = command.spawn().unwrap();
    let output = lines(process.stdout.take().unwrap());
    let line = output.recv_timeout(PATIENCE).unwrap();
    (
        process,
        line.strip_prefix("listening ").unwrap().parse().unwrap(),
    )
}
