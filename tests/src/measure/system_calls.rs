//! How many system calls a server makes for a line, counted by `perf` while the server runs at full speed.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::context;
use super::load::{Clients, Load};
use super::server::Server;

/// Whether system calls can be counted here, or why not.
///
/// # Errors
/// The reason, for people.
pub fn available() -> Result<(), String> {
    let counted = Command::new("perf")
        .args(["stat", "-e", EVENT, "true"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    match counted {
        Ok(status) if status.success() => Ok(()),
        Ok(_) => Err(format!(
            "`perf stat -e {EVENT}` is not allowed here: try as root"
        )),
        Err(error) => Err(format!("perf (Debian: linux-perf): {error}")),
    }
}

/// The system calls that `server` makes for each line of `load`, once its connections are open.
///
/// # Errors
/// When the load fails or `perf` does.
pub fn per_line(server: &Server, load: Load, measured: Duration) -> io::Result<f64> {
    let mut clients = Clients::connect(server.address(), load)?;
    clients.drive(measured / 4)?;
    clients.finish()?;
    let mut counter = Counter::attach(server.pid())?;
    let before = clients.lines();
    clients.drive(measured)?;
    clients.finish()?;
    Ok(counter.finish()? as f64 / (clients.lines() - before) as f64)
}

/// The tracepoint that every system call passes.
const EVENT: &str = "raw_syscalls:sys_enter";

/// A `perf stat` that counts the system calls of one process.
struct Counter(Child);

impl Counter {
    /// Begins to count. perf says over its control channel when it does: without, the first calls would be missed.
    fn attach(pid: u32) -> io::Result<Self> {
        let perf = Command::new("perf")
            .args([
                "stat",
                "-x,",
                "-e",
                EVENT,
                "-D",
                "-1",
                "--control=fd:0,1",
                "-p",
            ])
            .arg(pid.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(context("perf"))?;
        let mut counter = Self(perf);
        let (Some(control), Some(answers)) = (&mut counter.0.stdin, &mut counter.0.stdout) else {
            return Err(io::Error::other("perf has no standard streams"));
        };
        control.write_all(b"enable\n")?;
        let mut answer = String::new();
        BufReader::new(answers).read_line(&mut answer)?;
        if answer != "ack\n" {
            return Err(io::Error::other(format!(
                "perf answered {answer:?}, not \"ack\""
            )));
        }
        Ok(counter)
    }

    /// Ends the count: how many calls there were.
    fn finish(&mut self) -> io::Result<u64> {
        kill(Pid::from_raw(self.0.id().cast_signed()), Signal::SIGINT)?;
        let mut report = String::new();
        if let Some(output) = &mut self.0.stderr {
            output.read_to_string(&mut report)?;
        }
        self.0.wait()?;
        // "COUNT,unit,event,.."
        report
            .lines()
            .find(|line| line.contains(EVENT))
            .and_then(|line| line.split(',').next()?.parse().ok())
            .ok_or_else(|| io::Error::other(format!("perf counted nothing: {report}")))
    }
}

impl Drop for Counter {
    fn drop(&mut self) {
        // Both fail only when it has ended and been waited for.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
