//! An echo-server and an strace that makes its system calls fail.

use std::fs;
use std::io::{self, BufRead as _, BufReader};
use std::net::SocketAddr;
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use linecho_trials::process::{Running, executable, listening_address};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::PATIENCE;

/// The pause between two looks at something that is waited for.
const LOOK: Duration = Duration::from_millis(2);

pub(super) struct Server {
    process: Running,
    errors: Option<JoinHandle<io::Result<String>>>,
}

impl Server {
    /// Starts one; with `tracer`, under these arguments of strace.
    pub(super) fn start(tracer: Option<&[String]>) -> io::Result<Self> {
        let path =
            executable("echo-server").map_err(|stop| io::Error::other(format!("{stop:?}")))?;
        let mut command = match tracer {
            None => Command::new(path),
            Some(arguments) => {
                let mut strace = Command::new("strace");
                // The server itself is the child then, and strace a detached process.
                strace.args(["-D", "-f"]).args(arguments).arg(path);
                strace
            }
        };
        let mut process = command
            .args([
                "--listen",
                "127.0.0.1:0",
                "--workers",
                "2",
                "--drain-timeout",
                "2s",
            ])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map(Running)?;
        let errors = process.0.stderr.take().map(read_on_thread);
        Ok(Self { process, errors })
    }

    /// Returns the address on which it says that it listens.
    pub(super) fn address(&mut self) -> io::Result<SocketAddr> {
        listening_address(&mut self.process.0)
    }

    pub(super) fn id(&self) -> u32 {
        self.process.0.id()
    }

    /// Counts its open descriptors.
    pub(super) fn descriptors(&self) -> io::Result<usize> {
        Ok(fs::read_dir(format!("/proc/{}/fd", self.id()))?.count())
    }

    /// Waits until it has no more descriptors than `most`.
    pub(super) fn rests(&self, most: usize) -> io::Result<()> {
        let until = Instant::now() + PATIENCE;
        while self.descriptors()? > most {
            if Instant::now() > until {
                let now = self.descriptors()?;
                return Err(io::Error::other(format!(
                    "{now} descriptors are open, not {most}"
                )));
            }
            thread::sleep(LOOK);
        }
        Ok(())
    }

    pub(super) fn signal(&self, signal: Signal) -> io::Result<()> {
        Ok(kill(Pid::from_raw(self.id().cast_signed()), signal)?)
    }

    /// Waits for its end, and returns what it wrote to standard error: the log, and why it failed.
    ///
    /// # Errors
    ///
    /// When it does not end, ends other than with 0 or with 1, or ends with 1 and does not say why.
    pub(super) fn end(&mut self) -> io::Result<(ExitStatus, String)> {
        let status = wait(&mut self.process.0)?;
        let words = joined(self.errors.take())?;
        match status.code() {
            Some(0) => Ok((status, words)),
            Some(1) if !words.trim().is_empty() => Ok((status, words)),
            _ => {
                let signal = status.signal().map(|it| format!(" by signal {it}"));
                let signal = signal.unwrap_or_default();
                Err(io::Error::other(format!(
                    "it ended with {status}{signal}: {words}"
                )))
            }
        }
    }

    /// Returns what it has said, after a failure: it is killed.
    pub(super) fn last_words(&mut self) -> String {
        let _ = self.process.0.kill();
        joined(self.errors.take()).unwrap_or_default()
    }
}

/// An strace of a running server.
pub(super) struct Strace {
    process: Running,
    report: Option<JoinHandle<io::Result<String>>>,
}

impl Strace {
    pub(super) fn attach(server: &Server, arguments: &[String]) -> io::Result<Self> {
        let mut strace = Command::new("strace")
            .args(["-f", "-p", &server.id().to_string()])
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .map(Running)?;
        let says = strace.0.stderr.take().map(BufReader::new);
        let mut says = says.ok_or_else(|| io::Error::other("strace has no standard error"))?;
        let mut line = String::new();
        says.read_line(&mut line)?;
        if !line.contains(" attached") {
            return Err(io::Error::other(format!("strace did not attach: {line}")));
        }
        Ok(Self {
            process: strace,
            report: Some(read_on_thread(says)),
        })
    }

    /// Lets the server go on alone, if it still runs, and returns what strace said at its end.
    pub(super) fn detach(mut self) -> io::Result<String> {
        let pid = Pid::from_raw(self.process.0.id().cast_signed());
        kill(pid, Signal::SIGINT)?;
        wait(&mut self.process.0)?;
        joined(self.report.take())
    }
}

/// The file that strace writes to. It is removed when this is dropped.
pub(super) struct Trace(PathBuf);

impl Trace {
    pub(super) fn new(number: usize) -> Self {
        let name = format!("linecho-torture-{}-{number}", std::process::id());
        Self(std::env::temp_dir().join(name))
    }

    /// Arguments of strace that have it make a call fail, and write each that failed to the file.
    pub(super) fn arguments(&self, call: &str, error: &str, when: &str) -> Vec<String> {
        let file = self.0.display();
        [
            "-A".to_owned(),
            format!("-etrace={call}"),
            "-esignal=none".to_owned(),
            format!("-einject={call}:error={error}:when={when}"),
            format!("-o{file}"),
        ]
        .into()
    }

    /// Counts the calls that were made to fail.
    pub(super) fn failures(&self) -> io::Result<usize> {
        let text = fs::read_to_string(&self.0)?;
        Ok(text.matches("(INJECTED)").count())
    }
}

impl Drop for Trace {
    fn drop(&mut self) {
        // There is none when strace has not started.
        let _ = fs::remove_file(&self.0);
    }
}

fn wait(process: &mut Child) -> io::Result<ExitStatus> {
    let until = Instant::now() + PATIENCE;
    while Instant::now() < until {
        if let Some(status) = process.try_wait()? {
            return Ok(status);
        }
        thread::sleep(LOOK);
    }
    Err(io::Error::other("it does not end"))
}

fn read_on_thread(mut from: impl io::Read + Send + 'static) -> JoinHandle<io::Result<String>> {
    thread::spawn(move || {
        let mut text = Vec::new();
        from.read_to_end(&mut text)?;
        Ok(String::from_utf8_lossy(&text).into_owned())
    })
}

fn joined(thread: Option<JoinHandle<io::Result<String>>>) -> io::Result<String> {
    match thread.map(JoinHandle::join) {
        Some(Ok(text)) => text,
        _ => Ok(String::new()),
    }
}
