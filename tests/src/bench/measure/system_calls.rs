//! The number of system calls of a server for a line, counted by `strace`.
//!
//! Tracing slows a server down, so that it always finds work: what is counted is a server at its
//! limit, and does not depend on how fast the load is. At full speed a server waits more often the
//! faster it is, and its count changes from run to run.

use std::io::{self, BufRead as _, BufReader, Read as _};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::load::{Clients, Load};
use super::server::Server;

/// True if system calls can be counted here.
///
/// # Errors
///
/// The reason why not, for people.
pub fn available() -> Result<(), String> {
    let traced = Command::new("strace")
        .args(["-c", "true"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    match traced {
        Ok(status) if status.success() => Ok(()),
        Ok(_) => Err("strace may not trace here (ptrace(2))".to_owned()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err("this machine has no `strace`".to_owned())
        }
        Err(error) => Err(format!("strace: {error}")),
    }
}

/// The system calls that `server` makes for each line of `load`, once its connections are open.
///
/// # Errors
///
/// When the load fails or strace does.
pub fn per_line(server: &Server, load: Load, time: Duration) -> io::Result<f64> {
    let mut clients = Clients::connect(server.address(), load)?;
    clients.drive(time / 4)?;
    clients.finish()?;
    let mut counter = Counter::attach(server.pid())?;
    let before = clients.lines();
    clients.drive(time)?;
    clients.finish()?;
    Ok(counter.finish()? as f64 / (clients.lines() - before) as f64)
}

/// An strace that counts the system calls of all threads of a process.
struct Counter {
    strace: Child,
    says: BufReader<ChildStderr>,
}

impl Counter {
    /// Begins to count. strace says when it does: without that, the first calls would be missed.
    fn attach(pid: u32) -> io::Result<Self> {
        let mut strace = Command::new("strace")
            .args(["-c", "-f", "-U", "calls,name", "-p", &pid.to_string()])
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()?;
        let says = strace.stderr.take().map(BufReader::new);
        let says = says.ok_or_else(|| io::Error::other("strace has no standard error"))?;
        let mut counter = Self { strace, says };
        let mut line = String::new();
        counter.says.read_line(&mut line)?;
        match line.contains(" attached") {
            true => Ok(counter),
            false => Err(io::Error::other(format!("strace did not attach: {line}"))),
        }
    }

    /// Ends the count: how many calls there were.
    fn finish(&mut self) -> io::Result<u64> {
        kill(
            Pid::from_raw(self.strace.id().cast_signed()),
            Signal::SIGINT,
        )?;
        let mut report = String::new();
        self.says.read_to_string(&mut report)?;
        // "CALLS total"
        report
            .lines()
            .find_map(|line| line.trim().strip_suffix(" total")?.trim().parse().ok())
            .ok_or_else(|| io::Error::other(format!("strace counted nothing: {report}")))
    }
}

impl Drop for Counter {
    fn drop(&mut self) {
        // Both fail only when it has ended and been waited for.
        let _ = self.strace.kill();
        let _ = self.strace.wait();
    }
}
