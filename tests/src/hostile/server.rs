//! A server under siege: its process, restarts of it, and what it takes.

use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use linecho_devices::netns;
use linecho_trials::process::{Running, executable, listening_address, wait};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::adapter::Adapter;
use super::honest::CLIENTS;

/// The file descriptors that echo-server may have: fewer than a flood wants.
const DESCRIPTORS: u32 = 160;
/// The slots of echo-tap: likewise.
const SLOTS: &str = "160";
/// The port of the first server; that of echo-tap.
const PORT: u16 = 18_080;
/// The longest that a server may take to start, or to stop.
const PATIENCE: Duration = Duration::from_secs(30);

/// Raises this process's own limit of file descriptors, for the floods.
pub(super) fn raise_limit() -> io::Result<()> {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    Ok(setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?)
}

/// What a server takes of the system.
#[derive(Clone, Copy, Debug)]
pub(super) struct Level {
    /// Resident memory, in bytes.
    pub(super) memory: u64,
    /// Open file descriptors.
    pub(super) files: usize,
    pub(super) threads: usize,
}

pub(super) struct Server {
    adapter: Adapter,
    /// Of the two servers.
    number: u8,
    process: Running,
    address: SocketAddr,
    /// Descriptors when it had no connection.
    own_files: usize,
}

impl Server {
    pub(super) fn start(adapter: Adapter, number: u8) -> io::Result<Self> {
        let (process, address) = spawn(adapter, number)?;
        let mut server = Self {
            adapter,
            number,
            process,
            address,
            own_files: 0,
        };
        server.own_files = server.level()?.files;
        Ok(server)
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Replaces the process by a new one: std by a takeover, in which the old one goes on until the
    /// new one serves; smoltcp by a drain.
    pub(super) fn restart(&mut self) -> io::Result<()> {
        match self.adapter {
            Adapter::Std => {
                let (process, address) = spawn(self.adapter, self.number)?;
                if address != self.address {
                    return Err(io::Error::other("the new server listens elsewhere"));
                }
                let mut old = std::mem::replace(&mut self.process, process);
                wait_for_success(&mut old)?;
            }
            Adapter::Smoltcp => {
                self.stop()?;
                (self.process, self.address) = spawn(self.adapter, self.number)?;
            }
        }
        Ok(())
    }

    /// Stops it with a drain, and fails if it had to cut something.
    pub(super) fn stop(&mut self) -> io::Result<()> {
        kill(self.pid(), Signal::SIGTERM)?;
        wait_for_success(&mut self.process)
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(self.process.0.id().cast_signed())
    }

    /// The descriptors that it has when only honest clients are connected, at most: after a
    /// takeover, there may be one or two of the takeover.
    pub(super) fn files_at_rest(&self) -> usize {
        self.own_files + CLIENTS + 2
    }

    pub(super) fn level(&self) -> io::Result<Level> {
        let folder = PathBuf::from(format!("/proc/{}", self.pid()));
        let count = |name: &str| Ok::<_, io::Error>(fs::read_dir(folder.join(name))?.count());
        let memory = fs::read_to_string(folder.join("smaps_rollup"))?;
        let kilobytes = memory.lines().find_map(|line| {
            let value = line.strip_prefix("Rss:")?.strip_suffix("kB")?;
            value.trim().parse::<u64>().ok()
        });
        Ok(Level {
            memory: kilobytes.unwrap_or_default() * 1024,
            files: count("fd")?,
            threads: count("task")?,
        })
    }
}

fn spawn(adapter: Adapter, number: u8) -> io::Result<(Running, SocketAddr)> {
    let failed = |stop: linecho_trials::Stop| io::Error::other(format!("{stop:?}"));
    let mut command = Command::new("sh");
    command
        .arg("-c")
        .arg(format!(r#"ulimit -n {DESCRIPTORS} && exec "$0" "$@""#));
    let interface = format!("soak{number}");
    match adapter {
        Adapter::Std => {
            let takeover = format!("soak-{}-{number}.socket", std::process::id());
            command
                .arg(executable("echo-server").map_err(failed)?)
                .args([
                    "--listen",
                    &format!("127.0.0.1:{}", PORT + u16::from(number)),
                ])
                .arg("--takeover")
                .arg(std::env::temp_dir().join(takeover));
        }
        Adapter::Smoltcp => {
            command
                .arg(executable("echo-tap").map_err(failed)?)
                .args(["--tap", &interface, "--slots", SLOTS])
                .args(["--ip", &format!("{}/24", host(number, 1))])
                .args(["--socket-buffer", "16384", "--max-line", "8192"]);
        }
    }
    command
        .arg("--quiet")
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    let mut process = Running(command.spawn()?);
    let address = match adapter {
        Adapter::Std => listening_address(&mut process.0)?,
        Adapter::Smoltcp => {
            let until = Instant::now() + PATIENCE;
            retry(until, || {
                netns::configure(&interface, &[(host(number, 2).into(), 24)])
                    .map_err(|error| io::Error::other(error.to_string()))
            })?;
            let address = SocketAddr::from((host(number, 1), PORT));
            retry(until, || {
                TcpStream::connect_timeout(&address, Duration::from_millis(200))
            })?;
            address
        }
    };
    Ok((process, address))
}

/// Tries until it succeeds, or the time is over.
fn retry<T>(until: Instant, attempt: impl Fn() -> io::Result<T>) -> io::Result<T> {
    loop {
        match attempt() {
            Err(_) if Instant::now() < until => thread::sleep(Duration::from_millis(5)),
            result => return result,
        }
    }
}

/// The address of a host on the link of a server: 1 is the server, 2 the kernel.
fn host(number: u8, host: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 77, number, host)
}

/// Waits until a process has ended, and fails unless it is content.
fn wait_for_success(process: &mut Running) -> io::Result<()> {
    match wait(&mut process.0) {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(io::Error::other(format!("a server ended with {status}"))),
        Err(error) => Err(io::Error::other(format!("a server {error}"))),
    }
}
