//! The capture of all frames, and its readers.

use std::fs::{self, File};
use std::io::Read as _;
use std::process::{Command, Stdio};
use std::thread;

use nix::sys::signal::Signal;

use linecho_trials::{Stop, Trial, trials};

use crate::kit::{PROGRAM, Running, can_make_namespaces, in_namespace, text};

pub(crate) fn trials() -> Vec<Trial> {
    trials![
        frames_are_captured_in_a_file_and_on_stdout,
        a_capture_that_nobody_opens_holds_nothing_up,
    ]
}

fn frames_are_captured_in_a_file_and_on_stdout() -> Result<(), Stop> {
    can_make_namespaces()?;
    let file = concat!(env!("CARGO_TARGET_TMPDIR"), "/echo-tap.pcap");
    let ping = ["ping", "-c", "1", "-W", "5", "192.168.69.1"];
    let output = in_namespace(&["--quiet", "--pcap", file], &ping);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let magic = 0xa1b2_c3d4_u32.to_le_bytes();
    let capture = fs::read(file).expect("the file was written");
    assert_eq!(capture[..4], magic);
    // The request and the reply end with what ping puts there.
    let content: Vec<u8> = (0x20..0x38).collect();
    let is_content = |part: &&[u8]| *part == content;
    assert_eq!(capture.windows(content.len()).filter(is_content).count(), 2);

    let mut command = Command::new(PROGRAM);
    command
        .args(["--netns", "--pcap", "-"])
        .stdout(Stdio::piped());
    let mut program = Running::start(&mut command);
    let mut stdout = program.stdout();
    let mut head = [0; 24];
    stdout.read_exact(&mut head).expect("the capture begins");
    assert_eq!(head[..4], magic);
    // Nobody reads on, though there is more than a pipe holds: every ping is answered all the same.
    let said = program.says("nc -N fdaa::1 18080");
    let ping = said.lines().find(|line| line.contains("ping"));
    let ping = ping.expect("it says how to try it").replace("sudo ", "");
    let flood = ping.replace("-c 3", "-f -c 100 -s 1400 -W 1");
    let output = Command::new("sh").args(["-c", &flood]).output();
    let pinged = text(&output.expect("there is a shell").stdout);
    assert!(pinged.contains("100 packets transmitted"), "{pinged}");
    assert!(pinged.contains(" 0% packet loss"), "{pinged}");
    program.signal(Signal::SIGTERM);
    let (status, said) = program.end();
    assert_eq!(status.code(), Some(0), "{said}");
    let incomplete = "nobody has read the end of the capture";
    assert!(said.contains(incomplete), "{said}");
    assert!(said.contains("0 connections"), "{said}");
    Ok(())
}

fn a_capture_that_nobody_opens_holds_nothing_up() -> Result<(), Stop> {
    can_make_namespaces()?;
    let fifo = concat!(env!("CARGO_TARGET_TMPDIR"), "/echo-tap.fifo");
    let _ = fs::remove_file(fifo);
    let made = Command::new("mkfifo").arg(fifo).status();
    assert!(made.expect("mkfifo is there").success());
    let script = "printf 'line\\n' | nc -N 192.168.69.1 18080";
    let output = in_namespace(&["--pcap", fifo], &["sh", "-c", script]);
    let stderr = text(&output.stderr);
    assert_eq!(text(&output.stdout), "line\n", "{stderr}");
    let incomplete = "nobody has read the end of the capture";
    assert!(stderr.contains(incomplete), "{stderr}");

    let mut program = Running::start(Command::new(PROGRAM).args(["--netns", "--pcap", fifo]));
    program.says("nc -N fdaa::1 18080");
    program.signal(Signal::SIGTERM);
    let (status, said) = program.end();
    assert_eq!(status.code(), Some(0), "{said}");

    // A reader that pauses before the first frame, until the program has ended.
    let script =
        "for i in 1 2 3; do head -c 100000 /dev/zero | nc -N 192.168.69.1 18080; done | wc -c";
    let mut command = Command::new(PROGRAM);
    command.args(["--netns", "--pcap", fifo, "--", "sh", "-c", script]);
    let output = thread::spawn(move || command.output());
    let mut reader = File::open(fifo).expect("there is a writer");
    let mut head = [0; 24];
    reader.read_exact(&mut head).expect("the capture begins");
    let output = output.join().expect("no panic").expect("it can be started");
    let stderr = text(&output.stderr);
    assert_eq!(text(&output.stdout).trim(), "300000", "{stderr}");
    assert!(stderr.contains(incomplete), "{stderr}");
    // What came before the pause is whole.
    let mut rest = Vec::new();
    reader.read_to_end(&mut rest).expect("it has an end");
    assert!(rest.len() > 4096, "{}", rest.len());
    fs::remove_file(fifo).expect("it was made");
    Ok(())
}
