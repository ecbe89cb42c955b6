//! The mode load: its figures, its limits, its end.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::kit::*;

#[test]
fn it_verifies_all_lines_and_says_how_fast_they_were() {
    let server = Running::start();
    let load = ["load", "-c", "10", "-f", "16", "-n", "5000"];
    let output = run(command().args(load).arg(server.address()), b"");
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(text.contains("5000 lines verified, "), "{text}");
    assert!(
        text.contains("latency   p50 ") && text.contains('#'),
        "{text}"
    );
    assert!(text.lines().all(|line| line.len() <= 80), "{text}");
    assert!(output.stderr.is_empty(), "progress is for terminals");
}

#[test]
fn one_of_a_kind_is_no_plural() {
    let server = Running::start();
    let load = ["load", "-c", "1", "-n", "1", "-s", "1"];
    let output = run(command().args(load).arg(server.address()), b"");
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{text}");
    for part in [
        "1 connection, 1 line in flight each, 1 byte a line, ",
        "\n1 line verified, ",
    ] {
        assert!(text.contains(part), "{text}");
    }
    let ping = ["ping", "-c", "1", "-s", "1"];
    let output = run(command().args(ping).arg(server.address()), b"");
    let text = String::from_utf8(output.stdout).unwrap();
    for part in [
        "with lines of 1 byte\n",
        "\n1 byte from ",
        ", 1 connection, ",
    ] {
        assert!(text.contains(part), "{text}");
    }
    let wait = ["wait", "--for", "10ms", &refusing()];
    let output = run(command().args(wait), b"");
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.contains(", in 1 attempt; "), "{text}");
}

#[test]
fn an_interrupt_ends_it_with_a_whole_summary() {
    let server = Running::start();
    let process = command()
        .args(["load", "-d", "10m", "--json"])
        .arg(server.address())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let id = Pid::from_raw(process.id().cast_signed());
    // It is ready for signals before it connects.
    let began = Instant::now();
    while server.1.connections() == 0 {
        assert!(
            began.elapsed() < Duration::from_secs(30),
            "it does not connect"
        );
        thread::sleep(Duration::from_millis(10));
    }
    // Some lines are back.
    while server.1.totals().counters.lines < 100 {
        assert!(
            began.elapsed() < Duration::from_secs(30),
            "nothing comes back"
        );
        thread::sleep(Duration::from_millis(10));
    }
    kill(id, Signal::SIGINT).unwrap();
    let output = process.wait_with_output().unwrap();
    let summary = last_object(&output);
    assert_eq!(
        (&summary["type"], &summary["ok"]),
        (&"summary".into(), &true.into()),
        "{summary}"
    );
    assert_eq!(summary["sent"], summary["verified"], "{summary}");
    assert!(summary["verified"].as_u64() > Some(0));
}

/// Shells allow a program 1,024 open files, unless it asks for more.
#[test]
fn it_has_as_many_connections_as_are_wanted() {
    let (_server, address) = Process::start("127.0.0.1:0");
    let load = format!(
        "ulimit -S -n 256; exec {} load -c 1000 --spread 4 --rate 2000 -d 4s --json {address}",
        env!("CARGO_BIN_EXE_echo-client")
    );
    let output = run(std::process::Command::new("sh").args(["-c", &load]), b"");
    let summary = last_object(&output);
    assert!(summary["connected"].as_u64() > Some(256), "{summary}");
    assert_eq!(summary["failures"], 0, "{summary}");
}

#[test]
fn limits_make_it_fail() {
    let server = Running::start();
    for (limit, cause) in [("1ns", "TIMEOUT"), ("1h", "")] {
        let load = ["load", "-n", "100", "--max-p99", limit, "--json"];
        let output = run(command().args(load).arg(server.address()), b"");
        let summary = last_object(&output);
        assert_eq!(
            summary["cause"].as_str().unwrap_or_default(),
            cause,
            "{summary}"
        );
        assert_eq!(output.status.code(), Some(i32::from(!cause.is_empty())));
    }
    let output = run(command().args(["load", "-d", "100ms", &refusing()]), b"");
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text.contains("failures by REFUSED") && text.contains("FAILED: no line"),
        "{text}"
    );
}

/// The number of lines that the server has echoed, as its administration counts them.
fn lines(admin: &str) -> u64 {
    let mut stream = TcpStream::connect(admin).unwrap();
    stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("linecho_lines_total "));
    line.unwrap_or_else(|| panic!("{text}")).parse().unwrap()
}

/// The server is held for a second, and 200 lines are due meanwhile.
#[test]
fn a_stall_shows_in_the_times_since_lines_were_due() {
    let admin = refusing();
    let (server, address) = Process::start_with("127.0.0.1:0", &["--admin", &admin]);
    let process = command()
        .args(["load", "-c", "2", "--rate", "200", "-n", "600", "--json"])
        .arg(address.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let began = Instant::now();
    while lines(&admin) < 100 {
        assert!(
            began.elapsed() < Duration::from_secs(30),
            "nothing is echoed"
        );
        thread::sleep(Duration::from_millis(10));
    }
    server.signal(Signal::SIGSTOP);
    thread::sleep(Duration::from_secs(1));
    server.signal(Signal::SIGCONT);
    let output = process.wait_with_output().unwrap();
    let summary = last_object(&output);
    let millis = |of: &str, which: &str| summary[of][which].as_f64().unwrap();
    // A tenth of all were due in the first 0.7 s of the stall.
    assert!(millis("since_due", "p90_ms") > 200.0, "{summary}");
    assert!(millis("since_due", "max_ms") > 700.0, "{summary}");
    assert!(millis("since_sent", "p90_ms") < 200.0, "{summary}");
}
