//! One peer on stdin and stdout, as inetd starts the server.

use std::io::{Read as _, Write as _};
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Child, Stdio};
use std::thread;

use nix::sys::signal::Signal;

use crate::kit::{command, wait};

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
    let log = log_of(&mut process);
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
    let log = log_of(&mut process);
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

/// What a process that has ended wrote to its piped stderr.
fn log_of(process: &mut Child) -> String {
    let mut log = String::new();
    let mut stderr = process.stderr.take().unwrap();
    stderr.read_to_string(&mut log).unwrap();
    log
}
