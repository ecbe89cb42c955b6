//! The program as a child process, and servers for it.

use std::io::Write as _;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Output, Stdio};
use std::thread;

use linecho_std::{Handle, Server};

#[cfg(unix)]
pub(crate) use crate::unix_kit::*;

pub(crate) fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_echo-client"));
    // Without the settings of whoever runs the tests.
    command.env_clear();
    command
}

/// Runs it with this as its standard input.
pub(crate) fn run(command: &mut Command, input: &[u8]) -> Output {
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
pub(crate) fn assert_fails(arguments: &[&str], code: i32, parts: &[&str]) -> String {
    let output = run(command().args(arguments), b"");
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {error}");
    for part in parts {
        assert!(error.contains(part), "{arguments:?}: {error}");
    }
    error
}

/// A server that runs until this is dropped.
pub(crate) struct Running(pub(crate) SocketAddr, pub(crate) Handle);

impl Running {
    pub(crate) fn start() -> Self {
        let address = "127.0.0.1:0".parse().unwrap();
        let server = Server::builder().listen([address]).unwrap();
        let running = Self(server.addresses()[0], server.handle());
        thread::spawn(|| server.run().unwrap());
        running
    }

    pub(crate) fn address(&self) -> String {
        self.0.to_string()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.1.shutdown();
    }
}

/// A server for one connection.
pub(crate) fn server(serve: impl FnOnce(TcpStream) + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    thread::spawn(move || serve(listener.accept().unwrap().0));
    address
}

/// An address where nobody listens.
pub(crate) fn refusing() -> String {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr();
    address.unwrap().to_string()
}
