//! A server under measurement: a process on a core of its own, and what `/proc` says about it.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use linecho_trials::process::{Running, listening_address};
use nix::time::{ClockId, clock_getcpuclockid};
use nix::unistd::Pid;

use super::PATIENCE;
use super::machine::{Cores, stay_on};
use crate::bench::context;

/// A program that serves a line echo. On the kernel's TCP it takes a free port of 127.0.0.1 and
/// prints `listening ADDRESS` when it does.
#[derive(Clone, Debug)]
pub struct Program {
    /// The executable.
    pub path: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
}

/// A running server. It is killed when this is dropped.
pub struct Server {
    process: Running,
    address: SocketAddr,
    clock: ClockId,
}

impl Server {
    /// Starts `program` on the server's core and waits until it listens.
    ///
    /// # Errors
    ///
    /// When it cannot be started, or ends or stays silent instead of listening.
    pub fn start(program: &Program, cores: Cores) -> io::Result<Self> {
        Self::start_and(program, &[cores.server], cores, listening_address)
    }

    /// Starts `program` as [`start`](Self::start) does, but on both cores: for more than one
    /// worker.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start).
    pub fn start_on_both(program: &Program, cores: Cores) -> io::Result<Self> {
        let both = [cores.server, cores.client];
        Self::start_and(program, &both, cores, listening_address)
    }

    /// Starts `program`, which serves at `address` as soon as `plug_in` has connected what it waits
    /// for, such as a TAP device. `plug_in` is tried until it succeeds.
    ///
    /// # Errors
    ///
    /// When the program cannot be started or ends, or `plug_in` goes on to fail.
    pub fn start_behind(
        program: &Program,
        cores: Cores,
        address: SocketAddr,
        plug_in: impl Fn() -> io::Result<()>,
    ) -> io::Result<Self> {
        const PAUSE: Duration = Duration::from_millis(5);
        Self::start_and(program, &[cores.server], cores, |process| {
            let limit = Instant::now() + PATIENCE;
            while let Err(error) = plug_in() {
                if let Some(status) = process.try_wait()? {
                    return Err(io::Error::other(format!("ended with {status}")));
                }
                if Instant::now() > limit {
                    return Err(error);
                }
                thread::sleep(PAUSE);
            }
            Ok(address)
        })
    }

    /// Starts `program` on the cores `on`; `address` waits until it serves, and says where.
    fn start_and(
        program: &Program,
        on: &[usize],
        cores: Cores,
        address: impl FnOnce(&mut Child) -> io::Result<SocketAddr>,
    ) -> io::Result<Self> {
        let name = program.path.display();
        // A process inherits the cores of the thread that starts it, and so do all the threads that
        // it starts.
        stay_on(on)?;
        let process = Command::new(&program.path)
            .args(&program.arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn();
        stay_on(&[cores.client])?;
        let mut process = Running(process.map_err(context(format_args!("start {name}")))?);
        let address = address(&mut process.0).map_err(context(&name))?;
        let clock = clock_getcpuclockid(Pid::from_raw(process.0.id().cast_signed()))?;
        Ok(Self {
            process,
            address,
            clock,
        })
    }

    /// The address on which it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.0.id()
    }

    /// The time that all its threads together have spent on a core, in the program and in the
    /// kernel.
    ///
    /// # Errors
    ///
    /// When it has ended.
    pub fn cpu_time(&self) -> io::Result<Duration> {
        let time = self.clock.now().map_err(|error| self.gone(error.into()))?;
        Ok(time.into())
    }

    /// The memory that it has resident, in bytes (`Rss` of `/proc/PID/smaps_rollup`, which counts
    /// exactly where
    /// `/proc/PID/status` estimates).
    ///
    /// # Errors
    ///
    /// When it has ended, or the kernel does not say.
    pub fn resident_bytes(&self) -> io::Result<u64> {
        let path = format!("/proc/{}/smaps_rollup", self.pid());
        let text = fs::read_to_string(&path).map_err(context(&path))?;
        text.lines()
            .find_map(|line| {
                line.strip_prefix("Rss:")?
                    .strip_suffix("kB")?
                    .trim()
                    .parse()
                    .ok()
            })
            .map(|kilobytes: u64| kilobytes * 1024)
            .ok_or_else(|| io::Error::other(format!("{path} has no line `Rss: N kB`")))
    }

    /// The number of files that it has open; each connection that it has accepted is one.
    ///
    /// # Errors
    ///
    /// When it has ended.
    pub fn open_files(&self) -> io::Result<usize> {
        let path = format!("/proc/{}/fd", self.pid());
        Ok(fs::read_dir(&path).map_err(context(&path))?.count())
    }

    /// The bytes that the kernel has for it and that it has not read yet, over all its connections.
    ///
    /// # Errors
    ///
    /// When `/proc/net/tcp` cannot be read.
    pub fn unread_bytes(&self) -> io::Result<u64> {
        let port = format!(":{:04X}", self.address.port());
        let table = fs::read_to_string("/proc/net/tcp").map_err(context("/proc/net/tcp"))?;
        // "sl local_address rem_address st tx_queue:rx_queue ..", proc_net_tcp of the kernel's
        // documentation. The listening socket (state 0A) counts the connections to accept there.
        Ok(table
            .lines()
            .map(|line| line.split_ascii_whitespace().skip(1))
            .filter_map(|mut columns| {
                let ours = columns.next()?.ends_with(&port);
                let listens = columns.nth(1)? == "0A";
                let (_, unread) = columns.next()?.split_once(':')?;
                (ours && !listens).then(|| u64::from_str_radix(unread, 16).ok())?
            })
            .sum())
    }

    /// Waits until it has `open_files` files open, has read all that arrived, and has gone to
    /// sleep.
    ///
    /// # Errors
    ///
    /// When it does not come to that in [`PATIENCE`].
    pub fn settled(&self, open_files: usize) -> io::Result<()> {
        const PAUSE: Duration = Duration::from_millis(20);
        let limit = Instant::now() + PATIENCE;
        let mut cpu_before = None;
        loop {
            let (open, unread, cpu) = (self.open_files()?, self.unread_bytes()?, self.cpu_time()?);
            // A runtime with a clock of its own (Go) never sleeps quite.
            let busy = cpu_before.is_none_or(|before| cpu - before > PAUSE / 20);
            if open == open_files && unread == 0 && !busy {
                return Ok(());
            }
            if Instant::now() > limit {
                return Err(io::Error::other(format!(
                    "the server has {open} files open, not {open_files}, and {unread} bytes unread after {PATIENCE:?}"
                )));
            }
            cpu_before = Some(cpu);
            thread::sleep(PAUSE);
        }
    }

    fn gone(&self, error: io::Error) -> io::Error {
        context(format_args!(
            "the server, process {}, has ended",
            self.pid()
        ))(error)
    }
}
