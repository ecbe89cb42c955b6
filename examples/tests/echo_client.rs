//! The program echo-client: arguments, environment, exit codes, messages.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Output, Stdio};
use std::thread;

use linecho_std::{Handle, Server};

fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_echo-client"));
    // Without the settings of whoever runs the tests.
    command.env_clear();
    command
}

/// Runs it with this as its standard input.
fn run(command: &mut Command, input: &[u8]) -> Output {
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut process = command.stderr(Stdio::piped()).spawn().unwrap();
    let (mut stdin, input) = (process.stdin.take().unwrap(), input.to_vec());
    // It may end before it has read everything.
    let writer = thread::spawn(move || drop(stdin.write_all(&input)));
    let output = process.wait_with_output().unwrap();
    writer.join().unwrap();
    output
}

#[track_caller]
fn assert_fails(arguments: &[&str], code: i32, parts: &[&str]) -> String {
    let output = run(command().args(arguments), b"");
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {error}");
    for part in parts {
        assert!(error.contains(part), "{arguments:?}: {error}");
    }
    error
}

/// A server that runs until this is dropped.
struct Running(SocketAddr, Handle);

impl Running {
    fn start() -> Self {
        let address = "127.0.0.1:0".parse().unwrap();
        let server = Server::builder().listen([address]).unwrap();
        let running = Self(server.addresses()[0], server.handle());
        thread::spawn(|| server.run().unwrap());
        running
    }

    fn address(&self) -> String {
        self.0.to_string()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.1.shutdown();
    }
}

/// A server for one connection.
fn server(serve: impl FnOnce(TcpStream) + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    thread::spawn(move || serve(listener.accept().unwrap().0));
    address
}

/// An address where nobody listens.
fn refusing() -> String {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr();
    address.unwrap().to_string()
}

#[test]
fn in_a_pipe_it_is_a_filter() {
    let server = Running::start();
    for input in [
        &b""[..],
        b"x\ny",
        b"\n",
        b"one\r\n\0\xff\n",
        &[b'x'; 300_000],
    ] {
        let output = run(command().arg(server.address()), input);
        assert_eq!(output.status.code(), Some(0));
        assert!(output.stdout == input && output.stderr.is_empty());
    }
}

#[test]
fn it_sends_a_line_from_the_command_line() {
    let server = Running::start();
    let port = server.0.port().to_string();
    for address in [server.address(), format!("localhost:{port}"), port] {
        let output = run(command().args([&address, "send", "two", "words"]), b"");
        assert_eq!(output.status.code(), Some(0));
        assert_eq!(output.stdout, b"two words\n");
    }
}

#[test]
fn options_come_from_the_environment_too() {
    // It keeps the connection open.
    let silent = server(std::mem::forget);
    let settings = [("LINECHO_SERVER", &*silent), ("LINECHO_TIMEOUT", "20ms")];
    let output = run(command().envs(settings), b"line\n");
    assert_eq!(output.status.code(), Some(1));
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(
        error.contains("line 1, byte 1: nothing came back for 20ms"),
        "{error}"
    );
}

#[test]
fn wrong_usage_ends_it_with_2_and_names_what_is_wrong() {
    for (arguments, parts) in [
        (&["host"][..], &["host:PORT"]),
        (&["host:x"], &["not a port"]),
        (&["::1:80"], &["[::1]:80"]),
        (&[""], &["not a port"]),
        (&["--timeout", "5"], &["--timeout"]),
        (&["send"], &["TEXT"]),
        (&["send", "one\ntwo"], &["newline"]),
    ] {
        assert_fails(arguments, 2, parts);
    }
}

#[test]
fn nobody_there_ends_it_with_1_and_says_what_to_do() {
    let address = refusing();
    let start = format!("echo-server --listen {address}");
    assert_fails(&[&address], 1, &[&address, "refused", &start]);

    let error = assert_fails(&["no-such-host.invalid:7"], 1, &["no-such-host.invalid"]);
    assert!(!error.contains("echo-server"), "{error}");
}

#[test]
fn what_does_not_come_back_right_ends_it_with_1_and_is_named() {
    let wrong = server(|mut stream| {
        stream.read_exact(&mut [0; 8]).unwrap();
        stream.write_all(b"one\ntwX\n").unwrap();
    });
    let output = run(command().arg(wrong), b"one\ntwo\n");
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(output.stdout, b"one\ntwX\n");
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.contains("line 2, byte 3"), "{error}");
}

/// As in `echo-client | head -n 1`.
#[test]
fn an_output_that_nobody_reads_any_more_is_the_end() {
    let server = Running::start();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut process = command()
        .arg(server.address())
        .stdin(Stdio::piped())
        .stdout(writer)
        .spawn()
        .unwrap();
    let mut stdin = process.stdin.take().unwrap();
    // Without an end.
    while stdin.write_all(b"a line\n").is_ok() {}
    assert_eq!(process.wait().unwrap().code(), Some(0));
}

#[test]
fn it_ends_as_it_should_though_nobody_reads_its_errors() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let status = command().arg(refusing()).stderr(writer).status().unwrap();
    assert_eq!(status.code(), Some(1));
}
