//! Runs `echo-loopback` as people do.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::process::{Command, Output};

use serde_json::Value;

fn run(arguments: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_echo-loopback"));
    command.args(arguments.split_whitespace());
    command.output().expect("the program can be started")
}

/// A file that no other test uses.
fn file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("echo-loopback-{name}"))
}

/// Runs it with its figures as JSON; `name` is that of the file.
#[track_caller]
fn figures(name: &str, arguments: &str) -> Value {
    let path = file(&format!("{name}.json"));
    let output = run(&format!("{arguments} --json {}", path.display()));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments}: {stderr}");
    let json = fs::read(path).expect("the file was written");
    serde_json::from_slice(&json).expect("it holds JSON")
}

#[track_caller]
fn assert_exits(arguments: &str, code: i32, message: &str) {
    let output = run(arguments);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{arguments}: {stderr}");
    assert!(stderr.contains(message), "{arguments}: {stderr}");
}

#[test]
fn people_get_all_figures() {
    let output = run("--lines 1 --length 1 --connections 1 --window 1");
    let text = String::from_utf8(output.stdout).unwrap();
    let first = "1 line of 1 byte, 1 in flight on 1 connection, over the loopback device\n";
    assert!(
        text.starts_with(first) && text.contains(" 1 line, "),
        "{text}"
    );

    let output = run("--lines 20000");
    assert!(output.status.success());
    let stdout = String::from_utf8_lossy(&output.stdout);
    for part in [
        "20,000 lines, 1,280,096 bytes: each came back as it was sent",
        "lines/s",
        "MB/s",
        "p50",
        "max",
        "socket buffers",
        "line buffers",
        "sessions",
        "interface",
    ] {
        assert!(stdout.contains(part), "{part} is not in:\n{stdout}");
    }
}

/// As in `echo-loopback | head -n 0`.
#[test]
fn readers_may_leave() {
    let (reader, writer) = io::pipe().expect("there are file descriptors");
    drop(reader);
    let mut command = Command::new(env!("CARGO_BIN_EXE_echo-loopback"));
    let output = command.args(["--lines", "10"]).stdout(writer).output();
    let output = output.expect("the program can be started");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code(), &*stderr), (Some(0), ""));
}

#[test]
fn shares_and_shapes_of_all_kinds_come_back() {
    for (name, arguments) in [
        ("one", "--connections 1 --lines 1000 --window 1"),
        ("empty", "--lines 0"),
        ("uneven", "--connections 7 --lines 100"),
        ("ipv6", "--ipv6 --lines 1000"),
        ("newlines", "--length 1 --lines 10000 --window 1024"),
        ("long", "--length 300000 --lines 20 --window 3"),
        ("small", "--socket-buffer 100 --max-line 10 --lines 1000"),
        ("many", "--connections 256 --lines 2000"),
    ] {
        let figures = figures(name, arguments);
        let mut words = arguments.split(' ').skip_while(|word| *word != "--lines");
        let lines = words.nth(1).and_then(|lines| lines.parse::<u64>().ok());
        assert_eq!(figures["lines"].as_u64(), lines, "{arguments}");
        assert_eq!(figures["is_virtual_time"], false, "{arguments}");
    }
}

#[test]
fn every_fault_happens_and_does_no_harm() {
    for (fault, counter) in [
        ("--drop 5", "lost"),
        ("--corrupt 5", "corrupted"),
        ("--reorder 5", "held_back"),
        ("--duplicate 5", "duplicated"),
        ("--delay 20ms", "sent"),
        ("--rate 1M", "sent"),
        ("--drop 5 --ipv6", "lost"),
        ("--corrupt 5 --ipv6", "corrupted"),
    ] {
        let figures = figures(counter, &format!("--lines 5000 {fault}"));
        assert_eq!(figures["lines"], 5000, "{fault}");
        assert_eq!(figures["is_virtual_time"], true, "{fault}");
        assert!(figures["frames"][counter].as_u64() > Some(10), "{fault}");
    }
}

/// With these seeds handshakes and last acknowledgements get lost again and again.
#[test]
fn a_link_that_loses_a_third_takes_long_and_ends_well() {
    for seed in [3, 4, 10, 13] {
        let figures = figures("third", &format!("--lines 40 --drop 30 --seed {seed}"));
        assert_eq!(figures["lines"], 40, "seed {seed}");
    }
}

#[test]
fn the_longest_delay_is_borne() {
    let figures = figures("longest-delay", "--lines 100 --delay 1m");
    assert_eq!(figures["lines"], 100);
}

#[test]
fn delay_and_rate_are_kept() {
    let delayed = figures("delay", "--lines 1000 --delay 20ms");
    assert!(delayed["round_trip_us"]["p50"].as_u64() >= Some(40_000));
    // 8,000 bytes a second, both ways over the same link.
    let slow = figures("rate", "--lines 1000 --rate 64k");
    assert!(slow["bytes_per_second"].as_f64() <= Some(4000.0));
}

#[test]
fn a_seed_gives_the_same_run_again() {
    let all = "--lines 2000 --drop 10 --corrupt 5 --reorder 10 --duplicate 5 --seed";
    let first = figures("seed-1", &format!("{all} 1"));
    assert_eq!(first, figures("seed-1-again", &format!("{all} 1")));
    assert_ne!(first, figures("seed-2", &format!("{all} 2")));
}

#[test]
fn a_capture_has_all_frames() {
    let path = file("capture.pcap");
    let arguments = format!("--lines 100 --delay 1ms --pcap {}", path.display());
    let sent = figures("pcap", &arguments)["frames"]["sent"].as_u64();
    let capture = fs::read(path).expect("the file was written");
    assert_eq!(capture[..4], 0xa1b2_c3d4_u32.to_le_bytes());
    let (mut frames, mut rest) = (0, &capture[24..]);
    while let Some((header, frame)) = rest.split_first_chunk::<16>() {
        let length = u32::from_le_bytes([header[8], header[9], header[10], header[11]]);
        rest = &frame[length as usize..];
        frames += 1;
    }
    // Each is seen when it is sent and when it arrives; the last ones may be still under way.
    let sent = sent.expect("the link counts frames");
    assert!(
        (2 * sent - 10..=2 * sent).contains(&frames),
        "{frames} of {sent}"
    );
}

#[test]
fn a_link_that_loses_all_is_a_failure_and_no_hang() {
    assert_exits("--lines 10 --drop 100", 1, "0 bytes came back");
}

#[test]
fn files_that_cannot_be_written_are_named() {
    let arguments = "--lines 10 --pcap /no-such-directory/file";
    assert_exits(arguments, 1, "cannot write /no-such-directory/file");
    let arguments = "--lines 10 --json /no-such-directory/file";
    assert_exits(arguments, 1, "cannot write /no-such-directory/file");
}

#[test]
fn wrong_usage_is_told_apart() {
    for arguments in [
        "--connections 0",
        "--connections 257",
        "--window 0",
        "--window 1025",
        "--length 0",
        "--lines x",
        "--max-line 0",
        "--socket-buffer 0",
        "--drop 101",
        "--rate 0",
        "--delay soon",
        "--delay 61s",
        "--delay 1000000y",
        "--no-such-option",
        "argument",
    ] {
        assert_exits(arguments, 2, "--help");
    }
}

#[test]
fn each_program_has_its_own_name() {
    for (name, path) in [
        ("echo-loopback", env!("CARGO_BIN_EXE_echo-loopback")),
        #[cfg(target_os = "linux")]
        ("echo-tap", env!("CARGO_BIN_EXE_echo-tap")),
    ] {
        let output = Command::new(path).arg("--version").output().unwrap();
        let version = format!("{name} {}\n", env!("CARGO_PKG_VERSION"));
        assert_eq!(String::from_utf8(output.stdout).unwrap(), version);
    }
}
