//! The mode ping: losses, outages, signals.

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::SocketAddr;
use std::process::{Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::kit::*;

/// Pings 20 times in 4 s, while something happens to the server.
fn ping_during(
    server: Process,
    address: SocketAddr,
    happens: impl FnOnce(Process) -> Process,
) -> (Output, Value) {
    let ping = [
        "ping",
        "-c",
        "20",
        "-i",
        "0.2",
        "--reconnect",
        "on-error",
        "--json",
    ];
    let mut process = command()
        .args(ping)
        .arg(address.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdout = BufReader::new(process.stdout.take().unwrap());
    let mut all = String::new();
    // From the first reply on.
    while !all.contains("reply") {
        assert_ne!(stdout.read_line(&mut all).unwrap(), 0, "{all}");
    }
    let _server = happens(server);
    stdout.read_to_string(&mut all).unwrap();
    let mut output = process.wait_with_output().unwrap();
    output.stdout = all.into_bytes();
    let summary = last_object(&output);
    (output, summary)
}

/// The outage, in seconds, is as long as it was.
fn assert_outage(summary: &Value, length: Duration) {
    let outages = summary["outages"].as_array().unwrap();
    assert_eq!(outages.len(), 1, "{summary}");
    let told = summary["outage_longest_ms"].as_f64().unwrap() / 1e3;
    assert!(
        (told - length.as_secs_f64()).abs() < 0.5,
        "{told} {length:?}"
    );
}

#[test]
fn an_outage_by_a_restart_is_as_long_as_it_was() {
    let (server, address) = Process::start("127.0.0.1:0");
    let mut length = Duration::ZERO;
    let (output, summary) = ping_during(server, address, |server| {
        let began = Instant::now();
        drop(server);
        thread::sleep(Duration::from_secs(2));
        let (server, _) = Process::start(&address.to_string());
        length = began.elapsed();
        server
    });
    assert_eq!(output.status.code(), Some(0), "{summary}");
    assert_outage(&summary, length);
    assert!(summary["lost"].as_u64() >= Some(5), "{summary}");
    assert_eq!(summary["sent"], 20);
    assert_eq!(summary["connections"], 2);
}

#[test]
fn an_outage_by_a_halt_is_as_long_as_it_was() {
    let (server, address) = Process::start("127.0.0.1:0");
    let mut length = Duration::ZERO;
    let (output, summary) = ping_during(server, address, |server| {
        let began = Instant::now();
        server.signal(Signal::SIGSTOP);
        thread::sleep(Duration::from_secs(2));
        server.signal(Signal::SIGCONT);
        length = began.elapsed();
        server
    });
    assert_eq!(output.status.code(), Some(0), "{summary}");
    assert_outage(&summary, length);
    assert_eq!(
        (&summary["lost"], &summary["echoed"]),
        (&0.into(), &20.into())
    );
}

#[test]
fn with_nobody_there_is_a_summary() {
    let output = run(
        command().args(["ping", "-c", "2", "-i", "0.01", &refusing()]),
        b"",
    );
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text.contains("2 sent, 0 echoed, 2 lost (100.0 %)"),
        "{text}"
    );
    assert!(text.contains("2 lost by REFUSED"), "{text}");
}

#[test]
fn a_count_that_is_not_reached_by_the_deadline_fails() {
    let server = Running::start();
    let ping = ["ping", "-c", "1000", "-i", "0.1", "-w", "0.3", "--json"];
    let output = run(command().args(ping).arg(server.address()), b"");
    assert_eq!(output.status.code(), Some(1));
    assert!(last_object(&output)["echoed"].as_u64() >= Some(1));
}

#[test]
fn each_line_has_a_connection_if_that_is_asked_for() {
    let server = Running::start();
    let ping = [
        "ping",
        "-c",
        "5",
        "-i",
        "0.01",
        "--reconnect",
        "each",
        "--json",
    ];
    let output = run(command().args(ping).arg(server.address()), b"");
    let summary = last_object(&output);
    assert_eq!(
        (&summary["connections"], &summary["echoed"]),
        (&5.into(), &5.into())
    );
}

#[test]
fn values_are_separated_by_commas_if_that_is_asked_for() {
    let server = Running::start();
    let ping = ["ping", "-c", "3", "-i", "0.01", "--csv"];
    let output = run(command().args(ping).arg(server.address()), b"");
    let text = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(
        (lines.len(), lines[0]),
        (4, "time_s,seq,bytes,rtt_ms,cause")
    );
    for (line, seq) in lines[1..].iter().zip(["1", "2", "3"]) {
        let values: Vec<_> = line.split(',').collect();
        assert_eq!(
            (values.len(), values[1], values[2], values[4]),
            (5, seq, "64", "")
        );
        assert!(values[3].parse::<f64>().unwrap() > 0.0);
    }
}

#[test]
fn an_interrupt_prints_the_summary_and_a_quit_the_state() {
    let server = Running::start();
    let mut process = command()
        .args(["ping", "-i", "0.01", "--json"])
        .arg(server.address())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let id = Pid::from_raw(process.id().cast_signed());
    let mut stdout = BufReader::new(process.stdout.take().unwrap());
    let mut all = String::new();
    while !all.contains("reply") {
        assert_ne!(stdout.read_line(&mut all).unwrap(), 0, "{all}");
    }
    kill(id, Signal::SIGQUIT).unwrap();
    let mut stderr = BufReader::new(process.stderr.take().unwrap());
    let mut status = String::new();
    stderr.read_line(&mut status).unwrap();
    assert!(
        status.contains(" sent, ") && status.contains("rtt min/avg/max"),
        "{status}"
    );
    kill(id, Signal::SIGINT).unwrap();
    stdout.read_to_string(&mut all).unwrap();
    let summary: Value = serde_json::from_str(all.lines().last().unwrap()).unwrap();
    assert_eq!(
        (&summary["type"], &summary["ok"]),
        (&"summary".into(), &true.into())
    );
    assert_eq!(process.wait().unwrap().code(), Some(0));
}
