//! The start of a board in QEMU.

use std::io::{BufRead, BufReader, ErrorKind, Read};
use std::net::{TcpListener, UdpSocket};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::{Sender, channel};
use std::thread;

use super::{Machine, QEMU, Session};
use crate::firmware::counter::Counter;
use crate::firmware::{Board, Problem};

/// The words of QEMU when a port is taken, also one that was free a moment ago.
const PORT_TAKEN: &str = "Could not set up host forwarding rule";

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
