//! The lack of file descriptors.

use std::io::{Read as _, Write as _};
use std::process::{Command, Stdio};
use std::time::Instant;

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::kit::{PROGRAM, Server, command, echo_of, wait};

/// Too few for signals, then for event loops.
#[test]
fn a_start_without_room_names_the_way_out() {
    for limit in [8, 12, 16] {
        let mut process = Command::new("sh")
            .env_clear()
            .args(["-c", &format!("ulimit -n {limit}; exec \"$@\"")])
            .args(["sh", PROGRAM, "--listen=127.0.0.1:0", "--workers=8"])
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        wait(&mut process).unwrap();
        let output = process.wait_with_output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{limit}: {text}");
        let advice =
            "Too many open files (os error 24); allow the program more files with `ulimit -n`";
        assert!(text.contains(advice), "{limit}: {text}");
    }
}

/// The error is known by its number, and not by its words.
#[test]
fn a_path_that_reads_like_a_lack_of_files_is_none() {
    let listen = "--listen=unix:/no-such/Too many open files (os error 24)";
    let output = command().arg(listen).output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("its directory must exist"), "{text}");
    assert!(!text.contains("ulimit"), "{text}");
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
    let stopped = log
        .iter()
        .find(|line| line.contains("\"stopped\""))
        .unwrap();
    let stopped: Value = serde_json::from_str(stopped).unwrap();
    assert_eq!(stopped["connections"], CLIENTS + 1);
}

/// Time that a process has spent on a core.
#[cfg(target_os = "linux")]
fn cpu_seconds(server: &Server) -> f64 {
    let pid = nix::unistd::Pid::from_raw(server.process.id().cast_signed());
    let time = nix::time::clock_getcpuclockid(pid).unwrap().now().unwrap();
    std::time::Duration::from(time).as_secs_f64()
}

/// Not known.
#[cfg(not(target_os = "linux"))]
fn cpu_seconds(_: &Server) -> f64 {
    0.0
}
