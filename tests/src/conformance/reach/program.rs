//! The program `echo-server` as a child process, as people run it. What it did is read from its
//! log.

use std::ffi::OsString;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{ChildStderr, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use linecho_core::embedded_io::ErrorKind;
use linecho_core::{Counters, LongLines, Reason, Totals};
use linecho_trials::Stop;
use linecho_trials::process::{Running, executable, listening_address};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use super::sockets::{self, PACE, Server, Sockets};
use super::{Facts, Network, Reach, Wanted};

/// Its default line buffer would do as well; this makes long lines cheap.
const MAX_LINE: usize = 4096;

/// The program `echo-server` on 127.0.0.1.
#[derive(Clone, Copy, Debug)]
pub struct Program;

impl Reach for Program {
    fn name(&self) -> String {
        "program".into()
    }

    fn pace(&self) -> Duration {
        PACE
    }

    fn seeds(&self) -> u64 {
        1
    }

    fn start(&self, wanted: &Wanted, _: u64) -> Result<Box<dyn Network>, Stop> {
        Ok(Box::new(EchoServer::start(wanted, None)?.sockets()?))
    }
}

/// A running `echo-server`. It is killed when this is dropped.
pub struct EchoServer {
    child: Running,
    address: SocketAddr,
    connections: Option<usize>,
    totals: Arc<Mutex<Totals>>,
    log: Option<JoinHandle<()>>,
}

impl EchoServer {
    /// Starts it, with at most so many file descriptors.
    ///
    /// # Errors
    ///
    /// When it cannot be built or started.
    pub fn start(wanted: &Wanted, descriptors: Option<u32>) -> Result<Self, Stop> {
        let mut command = Command::new("sh");
        let limit = descriptors.map_or(String::new(), |limit| format!("ulimit -n {limit} && "));
        command.arg("-c").arg(limit + r#"exec "$0" "$@""#);
        command
            .arg(executable("echo-server")?)
            .args(arguments(wanted));
        for (name, _) in
            std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("LINECHO_"))
        {
            command.env_remove(name);
        }
        let failed = |error| Stop::Failed(format!("cannot start echo-server: {error}"));
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(failed)?;
        let totals = Arc::<Mutex<Totals>>::default();
        let mut child = Running(child);
        let log = child.0.stderr.take().map(|log| {
            let totals = Arc::clone(&totals);
            std::thread::spawn(move || follow(log, &totals))
        });
        let mut server = Self {
            child,
            address: SocketAddr::from(([0; 4], 0)),
            connections: wanted.connections,
            totals,
            log,
        };
        server.address = listening_address(&mut server.child.0).map_err(failed)?;
        Ok(server)
    }

    /// The address on which it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its process.
    #[must_use]
    pub fn process(&self) -> Pid {
        Pid::from_raw(self.child.0.id().cast_signed())
    }

    /// Peers for it.
    ///
    /// # Errors
    ///
    /// When the system lacks the means.
    pub fn sockets(self) -> Result<Sockets<Self>, Stop> {
        let address = self.address;
        Sockets::new(self, address).map_err(|error| Stop::Failed(error.to_string()))
    }
}

fn arguments(wanted: &Wanted) -> Vec<OsString> {
    let policy = match wanted.long_lines {
        LongLines::Flush => "flush",
        LongLines::Discard => "discard",
        LongLines::Close => "close",
    };
    let millis = |time: Duration| format!("{}ms", time.as_millis());
    let mut arguments = vec![
        "--listen=127.0.0.1:0".to_string(),
        "--log-format=json".into(),
        "--verbose".into(),
        format!("--max-line={MAX_LINE}"),
        format!("--long-lines={policy}"),
        format!("--drain-timeout={}", millis(PACE * 20)),
    ];
    arguments.extend(
        wanted
            .connections
            .map(|most| format!("--max-connections={most}")),
    );
    arguments.extend(
        wanted
            .idle_timeout
            .map(|time| format!("--idle-timeout={}", millis(time))),
    );
    arguments.extend(
        wanted
            .write_timeout
            .map(|time| format!("--write-timeout={}", millis(time))),
    );
    arguments.into_iter().map(Into::into).collect()
}

/// Adds up what the log says, to its end. What is no event, a panic say, goes to our own stderr.
fn follow(log: ChildStderr, totals: &Mutex<Totals>) {
    for line in BufReader::new(log).lines().map_while(Result::ok) {
        let event: Value = serde_json::from_str(&line).unwrap_or_default();
        let mut totals = totals.lock().unwrap_or_else(PoisonError::into_inner);
        match (event["event"].as_str(), reason(&event)) {
            (Some("opened"), _) => totals.open(),
            (Some("closed"), Some(reason)) => totals.close(reason, &counters(&event)),
            (Some(_), _) => {}
            (None, _) => eprintln!("echo-server: {line}"),
        }
    }
}

fn reason(event: &Value) -> Option<Reason> {
    let reason = event["reason"].as_str()?;
    let plain = [
        Reason::PeerClosed,
        Reason::Idle,
        Reason::WriteStalled,
        Reason::LineTooLong,
        Reason::Reset,
        Reason::Shutdown,
    ];
    let found = plain.into_iter().find(|plain| plain.to_string() == reason);
    found.or(reason
        .starts_with("failed")
        .then_some(Reason::Failed(ErrorKind::Other)))
}

fn counters(event: &Value) -> Counters {
    let number = |name: &str| event[name].as_u64().unwrap_or(u64::MAX);
    let mut counters = Counters::default();
    counters.bytes_in = number("bytes_in");
    counters.bytes_out = number("bytes_out");
    counters.lines = number("lines");
    counters.overlong = number("overlong");
    counters
}

impl Server for EchoServer {
    fn facts(&self) -> Facts {
        sockets::facts(MAX_LINE, self.connections)
    }

    fn totals(&mut self) -> Option<Totals> {
        Some(*self.totals.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn shut_down(&mut self) -> Result<(), Stop> {
        kill(self.process(), Signal::SIGTERM)
            .map_err(|error| Stop::Failed(format!("cannot stop echo-server: {error}")))
    }

    fn is_down(&mut self) -> Result<bool, Stop> {
        match self.child.0.try_wait() {
            Ok(None) => Ok(false),
            // 1 says that something was cut, which some scenarios want.
            Ok(Some(status)) if matches!(status.code(), Some(0 | 1)) => {
                // Its log has ended, too.
                self.log.take().map(JoinHandle::join);
                Ok(true)
            }
            result => Err(Stop::Failed(format!("echo-server ended with {result:?}"))),
        }
    }
}
