//! A board in QEMU.

use std::fmt;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use linecho_core::LongLines;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::counter::{Counter, Counts};
use super::elf::Elf;
use super::{Board, Problem};

const QEMU: &str = "qemu-system-arm";

/// The words of QEMU when a port is taken, also one that was free a moment ago.
const PORT_TAKEN: &str = "Could not set up host forwarding rule";

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

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Speed {
    Full,
    /// One instruction at a time, each of them logged.
    Counted,
}

impl Speed {
    fn arguments(self) -> &'static [&'static str] {
        match self {
            Self::Full => &[],
            Self::Counted => &["-singlestep", "-d", "exec,nochain"],
        }
    }
}

impl Machine {
    /// Starts the board and waits until it says `READY`. `port` of 127.0.0.1 leads to its echo
    /// port; `None` takes a free one.
    ///
    /// # Errors
    ///
    /// [`Problem::Missing`] without QEMU; [`Problem::Failed`] when the board does not start.
    pub fn boot(image: &Path, board: Board, port: Option<u16>) -> Result<Self, Problem> {
        Self::boot_with(image, board, port, None, Speed::Full)
    }

    /// Starts a board whose [`instructions`](Self::instructions) are counted.
    ///
    /// # Errors
    ///
    /// As [`boot`](Self::boot).
    pub fn boot_counted(image: &Path, board: Board) -> Result<Self, Problem> {
        Self::boot_with(image, board, None, None, Speed::Counted)
    }

    /// Starts a board whose image has `test-commands`, with these options of its sessions.
    ///
    /// # Errors
    ///
    /// As [`boot`](Self::boot).
    pub fn boot_for_test(image: &Path, board: Board, session: &Session) -> Result<Self, Problem> {
        Self::boot_with(image, board, None, Some(session), Speed::Full)
    }

    fn boot_with(
        image: &Path,
        board: Board,
        port: Option<u16>,
        session: Option<&Session>,
        speed: Speed,
    ) -> Result<Self, Problem> {
        const ATTEMPTS: usize = 5;
        for _ in 0..ATTEMPTS {
            let mut machine = Self::start(image, board, port, speed)?;
            match (machine.be_ready(session), port) {
                (Ok(()), _) => return Ok(machine),
                (Err(_), None) if machine.has_logged(PORT_TAKEN) => {}
                (Err(_), Some(port)) if machine.has_logged(PORT_TAKEN) => {
                    return Err(Problem::failed(format!(
                        "port {port} of 127.0.0.1 is taken: choose another, or none to get a free one"
                    )));
                }
                (Err(problem), _) => return Err(problem),
            }
        }
        Err(Problem::failed(format!(
            "the ports for {QEMU} were taken, {ATTEMPTS} times"
        )))
    }

    fn be_ready(&mut self, session: Option<&Session>) -> Result<(), Problem> {
        if let Some(session) = session {
            self.wait_for("SESSION?")?;
            self.command(session.to_string().as_bytes())?;
        }
        // A connection before that succeeds on the host, and then waits for the board.
        self.wait_for("READY").map(drop)
    }

    fn start(image: &Path, board: Board, port: Option<u16>, speed: Speed) -> Result<Self, Problem> {
        let port = port.map_or_else(free_tcp_port, Ok)?;
        let udp_port = free_udp_port()?;
        let network = format!(
            "user,model={},restrict=on,hostfwd=tcp:127.0.0.1:{port}-:7,hostfwd=udp:127.0.0.1:{udp_port}-:9",
            board.ethernet(),
        );
        let mut qemu = Command::new(QEMU)
            .args(["-M", board.name(), "-nic", &network])
            .args([
                "-display",
                "none",
                "-monitor",
                "none",
                "-serial",
                "stdio",
                "-no-reboot",
            ])
            // For the exit code of a failure.
            .args(["-semihosting-config", "enable=on,target=native"])
            .args(speed.arguments())
            .arg("-kernel")
            .arg(image)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| match error.kind() {
                ErrorKind::NotFound => Problem::Missing {
                    what: format!("there is no program `{QEMU}`"),
                    enable: "apt-get install qemu-system-arm".to_owned(),
                },
                _ => Problem::failed(format!("cannot start {QEMU}: {error}")),
            })?;
        let (sender, lines) = channel();
        // Both are always read: a full pipe would stop the board, and QEMU with it.
        forward(qemu.stdout.take(), sender.clone());
        let stderr = qemu.stderr.take();
        let counter = match speed {
            Speed::Counted => stderr.map(|stderr| Counter::of(stderr, sender)),
            Speed::Full => {
                forward(stderr, sender);
                None
            }
        };
        Ok(Self {
            image: image.to_owned(),
            qemu,
            lines,
            log: Vec::new(),
            port,
            udp_port,
            counter,
        })
    }

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

/// Passes on the lines of a stream from a thread of its own, until the stream ends.
fn forward(stream: Option<impl Read + Send + 'static>, lines: Sender<String>) {
    let Some(stream) = stream else { return };
    thread::spawn(move || {
        for line in BufReader::new(stream).split(b'\n') {
            let Ok(line) = line else { return };
            let line = String::from_utf8_lossy(&line).trim_end().to_owned();
            // Goes on reading when nobody listens any more.
            let _ = lines.send(line);
        }
    });
}

fn free_tcp_port() -> Result<u16, Problem> {
    TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .map(|address| address.port())
        .map_err(|error| Problem::failed(format!("no free TCP port on 127.0.0.1: {error}")))
}

fn free_udp_port() -> Result<u16, Problem> {
    UdpSocket::bind("127.0.0.1:0")
        .and_then(|socket| socket.local_addr())
        .map(|address| address.port())
        .map_err(|error| Problem::failed(format!("no free UDP port on 127.0.0.1: {error}")))
}
