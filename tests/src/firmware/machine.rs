//! A board in QEMU.

mod start;

use std::fmt;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Child, ExitStatus};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use linecho_core::LongLines;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::Problem;
use super::counter::{Counter, Counts};
use super::elf::Elf;

const QEMU: &str = "qemu-system-arm";

/// For whatever QEMU or the board should do at once; long, since the machine may be busy.
pub const LIMIT: Duration = Duration::from_secs(30);

/// A running QEMU. Dropping it ends QEMU.
#[derive(Debug)]
pub struct Machine {
    image: PathBuf,
    qemu: Child,
    lines: Receiver<String>,
    log: Vec<String>,
    port: u16,
    udp_port: u16,
    counter: Option<Counter>,
}

/// The options of the sessions of an image with `test-commands`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Session {
    /// The policy for a line that does not fit.
    pub long_lines: LongLines,
    /// The idle timeout; zero for none.
    pub idle: Duration,
    /// The write timeout; zero for none.
    pub write: Duration,
}

impl fmt::Display for Session {
    /// The line that the board expects.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let policy = match self.long_lines {
            LongLines::Flush => "flush",
            LongLines::Discard => "discard",
            LongLines::Close => "close",
        };
        writeln!(
            f,
            "{policy} {} {}",
            self.idle.as_millis(),
            self.write.as_millis()
        )
    }
}

impl Machine {
    /// The port of 127.0.0.1 that leads to the board's echo port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The UDP port of 127.0.0.1 whose datagrams become frames on the board's network.
    #[must_use]
    pub fn udp_port(&self) -> u16 {
        self.udp_port
    }

    /// The instructions so far, once the board sleeps.
    ///
    /// # Errors
    ///
    /// [`Problem::Failed`] when it goes on, or was not booted to be counted.
    pub fn instructions(&self) -> Result<Counts, Problem> {
        let counter = self
            .counter
            .as_ref()
            .ok_or_else(|| Problem::failed("this board's instructions are not counted"))?;
        counter
            .asleep(LIMIT)
            .ok_or_else(|| Problem::failed(format!("the board does not sleep within {LIMIT:?}")))
    }

    /// All lines so far, of the board and of QEMU.
    #[must_use]
    pub fn log(&self) -> &[String] {
        &self.log
    }

    /// True if a line with `text` in it has come so far.
    #[must_use]
    pub fn has_logged(&self, text: &str) -> bool {
        self.log.iter().any(|line| line.contains(text))
    }

    /// The next line within `limit`; `Ok(None)` if none came. The address of a fault is given with
    /// its place in the source.
    ///
    /// # Errors
    ///
    /// [`Problem::Failed`] when QEMU has ended.
    pub fn next_line(&mut self, limit: Duration) -> Result<Option<String>, Problem> {
        match self.lines.recv_timeout(limit) {
            Ok(line) => {
                let line = self.with_place(line);
                self.log.push(line.clone());
                Ok(Some(line))
            }
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => Err(self.failure("QEMU has ended")),
        }
    }

    fn with_place(&self, line: String) -> String {
        let address = line
            .strip_prefix("FAULT at 0x")
            .and_then(|rest| rest.split(':').next());
        let address = address.and_then(|digits| u64::from_str_radix(digits, 16).ok());
        match address.and_then(|address| Elf::read(&self.image).ok()?.place(address)) {
            Some(place) => format!("{line} ({place})"),
            None => line,
        }
    }

    /// Waits for the next line with `text` in it, and returns it.
    ///
    /// # Errors
    ///
    /// [`Problem::Failed`] when it does not come in time or QEMU ends.
    pub fn wait_for(&mut self, text: &str) -> Result<String, Problem> {
        let until = Instant::now() + LIMIT;
        while let Some(line) = self.next_line(until.saturating_duration_since(Instant::now()))? {
            if line.contains(text) {
                return Ok(line);
            }
        }
        Err(self.failure(&format!("the board did not say {text:?} within {LIMIT:?}")))
    }

    /// Sends commands of `test-commands` over the serial line.
    ///
    /// # Errors
    ///
    /// [`Problem::Failed`] when QEMU has ended.
    pub fn command(&mut self, commands: &[u8]) -> Result<(), Problem> {
        let sent = self
            .qemu
            .stdin
            .as_mut()
            .map(|serial| serial.write_all(commands));
        match sent {
            Some(Ok(())) => Ok(()),
            _ => Err(self.failure("QEMU does not take the command")),
        }
    }

    /// The processor time that QEMU has used so far.
    ///
    /// # Errors
    ///
    /// [`Problem::Failed`] when QEMU has ended.
    #[cfg(target_os = "linux")]
    pub fn cpu_time(&self) -> Result<Duration, Problem> {
        nix::time::clock_getcpuclockid(self.pid())
            .and_then(nix::time::ClockId::now)
            .map(Duration::from)
            .map_err(|error| self.failure(&format!("no processor time of QEMU: {error}")))
    }

    /// The processor time that QEMU has used so far.
    ///
    /// # Errors
    ///
    /// [`Problem::Missing`]: only Linux tells that of another process.
    #[cfg(not(target_os = "linux"))]
    pub fn cpu_time(&self) -> Result<Duration, Problem> {
        Err(Problem::Missing {
            what: "this system does not tell the processor time of another process".to_owned(),
            enable: "run it on Linux".to_owned(),
        })
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(self.qemu.id().cast_signed())
    }

    /// Waits until QEMU ends by itself.
    ///
    /// # Errors
    ///
    /// [`Problem::Failed`] when it goes on.
    pub fn wait_end(&mut self) -> Result<ExitStatus, Problem> {
        let until = Instant::now() + LIMIT;
        // Its output ends when it does.
        while let Ok(line) = self.next_line(until.saturating_duration_since(Instant::now())) {
            if line.is_none() {
                return Err(self.failure("QEMU goes on"));
            }
        }
        self.qemu
            .wait()
            .map_err(|error| self.failure(&format!("QEMU cannot be waited for: {error}")))
    }

    /// Asks QEMU to end, and kills it if it does not.
    ///
    /// # Errors
    ///
    /// [`Problem::Failed`] when it had ended before with a failure code, or had to be killed.
    pub fn stop(mut self) -> Result<(), Problem> {
        const PATIENCE: Duration = Duration::from_secs(5);
        let ended_before = self.qemu.try_wait().ok().flatten();
        if ended_before.is_none() {
            let _ = kill(self.pid(), Signal::SIGTERM);
        }
        let until = Instant::now() + PATIENCE;
        while let Ok(_line) = self.next_line(until.saturating_duration_since(Instant::now())) {
            if Instant::now() >= until {
                let _ = self.qemu.kill();
                return Err(self.failure("QEMU had to be killed"));
            }
        }
        match self.qemu.wait() {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(self.failure(&format!("QEMU ended with {status}"))),
            Err(error) => Err(self.failure(&format!("QEMU cannot be waited for: {error}"))),
        }
    }

    /// A failure together with what was logged.
    fn failure(&self, what: &str) -> Problem {
        let log = self.log.join("\n    ");
        Problem::failed(format!("{what}. The log:\n    {log}"))
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // Both fail if it has ended, which is what is wanted.
        let _ = self.qemu.kill();
        let _ = self.qemu.wait();
    }
}
