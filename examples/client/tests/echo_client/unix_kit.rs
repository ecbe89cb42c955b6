//! The same for tests that signals and echo-server confine to UNIX.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Output, Stdio};

use linecho_trials::process::executable;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// The last line of its standard output, which is JSON.
pub(crate) fn last_object(output: &Output) -> serde_json::Value {
    let text = String::from_utf8_lossy(&output.stdout);
    let last = text.lines().last().unwrap_or_default();
    serde_json::from_str(last).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// The program `echo-server`. It is killed when this is dropped.
pub(crate) struct Process(Child);

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

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
