//! Signals and exit codes.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::kit::{PATIENCE, PROGRAM, Server, command, connect, echo_of, wait};

#[test]
fn a_signal_lets_it_finish_what_it_has_taken_in() {
    // Under nohup(1) SIGHUP is ignored here, and would be there. A handler is not inherited.
    signal_hook::flag::register(signal_hook::consts::SIGHUP, Arc::default()).unwrap();
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
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
        // The signal may be logged after that: it is obeyed first.
        let stopped = "stopped connections=1 lines=1";
        assert!(log.iter().any(|line| line.contains(stopped)), "{log:?}");
    }
}

#[test]
fn what_is_stuck_is_cut_and_the_exit_code_says_so() {
    let server = Server::start(&["-v", "--drain-timeout", "100ms"]);
    let _peer = stuck_peer(&server);
    server.signal(Signal::SIGTERM);
    let (status, log) = server.end();
    assert_eq!(status.code(), Some(1));
    assert!(log.iter().any(|line| line.contains("cut")), "{log:?}");
}

#[test]
fn a_second_signal_stops_it_at_once() {
    let server = Server::start(&["-v", "--drain-timeout", "1h"]);
    let _peer = stuck_peer(&server);
    server.signal(Signal::SIGTERM);
    server.log_line("shutting down");
    server.signal(Signal::SIGINT);
    let (status, log) = server.end();
    assert_eq!(status.code(), Some(1));
    assert!(log.iter().any(|line| line.contains("cut")), "{log:?}");
}

/// With nothing outstanding, clients that see the end and close hold it up no longer than they
/// take, and those that never close for a tenth of a second. `-- --nocapture` prints how long.
#[test]
fn idle_clients_hold_up_its_end_for_a_moment() {
    for close in [true, false] {
        let server = Server::start(&["--quiet"]);
        let mut clients: Vec<_> = (0..50).map(|_| server.connect()).collect();
        for client in &mut clients {
            client.write_all(b"line\n").unwrap();
            let mut echo = [0; 5];
            client.read_exact(&mut echo).unwrap();
        }
        let begin = Instant::now();
        server.signal(Signal::SIGTERM);
        if close {
            for mut client in clients.drain(..) {
                assert_eq!(client.read(&mut [0; 1]).unwrap(), 0);
            }
        }
        let (status, _) = server.end();
        assert_eq!(status.code(), Some(0));
        let (time, count) = (begin.elapsed(), clients.len());
        println!("ended after {time:.0?}, with {count} clients that did not close");
        for client in &mut clients {
            assert_eq!(client.read(&mut [0; 1]).unwrap(), 0, "the end, not a reset");
        }
    }
}

/// A peer that reads nothing, with as much on the way as the kernel keeps: its echo is stuck.
fn stuck_peer(server: &Server) -> TcpStream {
    let peer = server.connect();
    server.log_line("opened");
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
    peer
}

#[test]
fn under_nohup_a_closed_terminal_is_nothing() {
    let mut command = Command::new("sh");
    command.env_clear().stdin(Stdio::null());
    command.args(["-c", "trap '' HUP; exec \"$@\"", "sh", PROGRAM]);
    command.args(["--listen", "127.0.0.1:0"]);
    let server = Server::start_command(&mut command, 1);
    server.signal(Signal::SIGHUP);
    // The answer to this signal comes after that one.
    server.signal(Signal::SIGUSR1);
    server.log_line("status");
    assert_eq!(echo_of(server.connect(), b"line\n"), r"line\n");
    server.signal(Signal::SIGTERM);
    assert_eq!(server.end().0.code(), Some(0));
}

#[test]
fn a_status_line_is_logged_when_asked_for() {
    let server = Server::start(&["--quiet"]);
    echo_of(server.connect(), b"one\ntwo\nrest");
    let _open = server.connect();
    server.signal(Signal::SIGUSR2);
    // A session counts when its end has been seen.
    let limit = Instant::now() + PATIENCE;
    loop {
        server.signal(Signal::SIGUSR1);
        let status = server.log_line("status");
        let parts = [
            "open=1",
            "connections=2",
            "lines=2",
            "bytes_out=12",
            "peer_closed=1",
        ];
        if parts.iter().all(|part| status.contains(part)) {
            break;
        }
        assert!(Instant::now() < limit, "{status}");
    }
}

#[test]
fn a_reader_of_the_addresses_may_leave_after_the_first() {
    for _ in 0..20 {
        let mut command = command();
        command.args([
            "--listen",
            "127.0.0.1:0",
            "--listen",
            "127.0.0.1:0,127.0.0.1:0",
        ]);
        command.stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = command.spawn().unwrap();
        let mut line = String::new();
        // As `head -1` does.
        let mut stdout = BufReader::new(process.stdout.take().unwrap());
        stdout.read_line(&mut line).unwrap();
        drop(stdout);
        let address = line.trim().strip_prefix("listening ").unwrap();
        assert_eq!(
            echo_of(connect(address.parse().unwrap()), b"line\n"),
            r"line\n"
        );
        kill(Pid::from_raw(process.id().cast_signed()), Signal::SIGTERM).unwrap();
        assert_eq!(wait(&mut process).unwrap().code(), Some(0));
    }
}
