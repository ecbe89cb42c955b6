//! The program as a child process, and servers for it.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Output, Stdio};
use std::thread;

use linecho_std::{Handle, Server};
#[cfg(unix)]
use linecho_trials::process::executable;
#[cfg(unix)]
use nix::sys::signal::{Signal, kill};
#[cfg(unix)]
use nix::unistd::Pid;

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

/// The last line of its standard output, which is JSON.
pub(crate) fn last_object(output: &Output) -> serde_json::Value {
    let text = String::from_utf8_lossy(&output.stdout);
    let last = text.lines().last().unwrap_or_default();
    serde_json::from_str(last).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// The program `echo-server`. It is killed when this is dropped.
#[cfg(unix)]
pub(crate) struct Process(Child);

#[cfg(unix)]
impl Process {
    pub(crate) fn start(address: &str) -> (Self, SocketAddr) {
        Self::start_with(address, &[])
    }

    pub(crate) fn start_with(address: &str, more: &[&str]) -> (Self, SocketAddr) {
        let (process, address) = Self::listening(address, more);
        (process, address.parse().unwrap())
    }

    /// The same on a UNIX socket.
    pub(crate) fn start_on_path(address: &str) -> Self {
        let (process, listening) = Self::listening(address, &[]);
        assert_eq!(listening, address);
        process
    }

    /// Starts it, and returns the address on which it listens as it says so.
    fn listening(address: &str, more: &[&str]) -> (Self, String) {
        let mut process = Command::new(executable("echo-server").unwrap())
            .args(["--quiet", "--listen", address])
            .args(more)
            .env_clear()
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut stdout = BufReader::new(process.stdout.take().unwrap());
        stdout.read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("listening ").unwrap();
        (Self(process), address.into())
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.0.id().cast_signed()), signal).unwrap();
    }
}

#[cfg(unix)]
impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
