//! Real relays in their plainest configuration, each in front of a line echo of ours.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use linecho_std::{Handle, Server};
use linecho_trials::Stop;
use linecho_trials::process::{PATIENCE, Running};

/// A line echo that runs until this is dropped.
pub(crate) struct Echo {
    pub(crate) address: SocketAddr,
    handle: Handle,
}

impl Echo {
    pub(crate) fn start() -> Self {
        let server = Server::builder().listen(["127.0.0.1:0".parse().unwrap()]);
        let server = server.unwrap();
        let echo = Self {
            address: server.addresses()[0],
            handle: server.handle(),
        };
        thread::spawn(|| server.run());
        echo
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        // Twice: what relays keep open is cut.
        self.handle.shutdown();
        self.handle.shutdown();
    }
}

/// A relay in front of an echo.
pub(crate) struct Relay {
    pub(crate) address: SocketAddr,
    _processes: Vec<Running>,
    _folder: Folder,
    echo: Option<Echo>,
}

/// A relay that can be had as a package.
#[derive(Clone, Copy)]
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    /// The programs that it needs, and the package of each.
    pub(crate) needs: &'static [(&'static str, &'static str)],
    pub(crate) start: fn(&mut Starting) -> Result<(), Stop>,
}

/// The arguments of a relay.
pub(crate) struct Starting<'a> {
    pub(crate) front: u16,
    pub(crate) back: u16,
    /// More of its configuration.
    pub(crate) more: &'a str,
    pub(crate) folder: &'a Path,
    pub(crate) processes: Vec<Running>,
}

pub(crate) const LOCAL: &str = "127.0.0.1";

impl Starting<'_> {
    pub(crate) fn file(&self, name: &str, text: &str) -> Result<String, Stop> {
        let path = self.folder.join(name);
        fs::write(&path, text).map_err(failed)?;
        Ok(path.display().to_string())
    }

    pub(crate) fn run(&mut self, program: &str, arguments: &[&str]) -> Result<(), Stop> {
        let process = Command::new(program)
            .args(arguments)
            .env("PATH", PATH)
            .current_dir(self.folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        self.processes.push(Running(process.map_err(failed)?));
        Ok(())
    }
}

/// The folders of relays, also for an ordinary user.
const PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin";

impl Kind {
    /// Starts it in front of an echo, or says what lacks.
    pub(crate) fn start(&self) -> Result<Relay, Stop> {
        let echo = Echo::start();
        let mut relay = self.start_before(echo.address.port())?;
        relay.echo = Some(echo);
        Ok(relay)
    }

    /// Starts it in front of this port, or says what lacks.
    pub(crate) fn start_before(&self, back: u16) -> Result<Relay, Stop> {
        self.start_as(back, "")
    }

    /// Starts it with a configuration that names what is behind it.
    pub(crate) fn start_with(&self, more: &str) -> Result<Relay, Stop> {
        self.start_as(0, more)
    }

    fn start_as(&self, back: u16, more: &str) -> Result<Relay, Stop> {
        for (program, package) in self.needs {
            if !PATH
                .split(':')
                .any(|it| Path::new(it).join(program).exists())
            {
                return Err(Stop::no_program(program, package));
            }
        }
        let folder = Folder::new().map_err(failed)?;
        let mut starting = Starting {
            front: free_port(),
            back,
            more,
            folder: &folder.0,
            processes: Vec::new(),
        };
        (self.start)(&mut starting)?;
        let Starting {
            front,
            mut processes,
            ..
        } = starting;
        listens(front, &mut processes)?;
        Ok(Relay {
            address: (([127, 0, 0, 1]), front).into(),
            _processes: processes,
            _folder: folder,
            echo: None,
        })
    }
}

pub(crate) fn failed(error: impl std::fmt::Display) -> Stop {
    Stop::Failed(error.to_string())
}

pub(crate) fn finish(command: &mut Command) -> Result<(), Stop> {
    let output = command.stdin(Stdio::null()).output().map_err(failed)?;
    match output.status.success() {
        true => Ok(()),
        false => Err(failed(format!(
            "{command:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        ))),
    }
}

/// A port where nobody listens.
pub(crate) fn free_port() -> u16 {
    // Others were given a port that nobody listens on yet, and two must not be given the same.
    static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    let mut given = GIVEN.lock().unwrap_or_else(PoisonError::into_inner);
    loop {
        let listener = TcpListener::bind((LOCAL, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        if given.insert(port) {
            return port;
        }
    }
}

/// Waits until somebody listens there; fails if a process ends before.
pub(crate) fn listens(port: u16, processes: &mut [Running]) -> Result<(), Stop> {
    let began = Instant::now();
    while TcpStream::connect((LOCAL, port)).is_err() {
        for Running(process) in processes.iter_mut() {
            if let Ok(Some(status)) = process.try_wait() {
                return Err(failed(format!("a relay ended: {status}")));
            }
        }
        if began.elapsed() > PATIENCE {
            return Err(failed(format!("nobody listens on port {port}")));
        }
        thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// A folder that is removed when this is dropped.
struct Folder(PathBuf);

impl Folder {
    fn new() -> std::io::Result<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Relaxed);
        let unique = format!("linecho-relay-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(unique);
        fs::create_dir(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Runs the client with this input.
pub(crate) fn client(arguments: &[&str], input: &[u8]) -> Output {
    let mut process: Child = Command::new(env!("CARGO_BIN_EXE_echo-client"))
        .args(arguments)
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut stdin, input) = (process.stdin.take().unwrap(), input.to_vec());
    let writer = thread::spawn(move || drop(stdin.write_all(&input)));
    let output = process.wait_with_output().unwrap();
    writer.join().unwrap();
    output
}
