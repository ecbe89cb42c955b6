//! Processes of the project: the programs, the address on which a server says that it listens, the
//! end of each.

use std::io::{self, BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus};
use std::sync::mpsc;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::Stop;
use crate::record::profile_folder;

/// The longest wait for a process to say something.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A process that is killed when this is dropped.
#[derive(Debug)]
pub struct Running(pub Child);

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail only for a process that has ended and was waited for.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The addresses on which a process listens, from the first `count` lines of its piped output, each
/// `listening ADDRESS`. What it prints later is read and dropped, so that it is never held up.
///
/// # Errors
///
/// When it is silent for [`PATIENCE`], ends, or says something else.
pub fn listening_addresses(process: &mut Child, count: usize) -> io::Result<Vec<SocketAddr>> {
    let output = process.stdout.take();
    let (sender, lines) = mpsc::channel();
    thread::spawn(move || {
        let mut output = BufReader::new(output?);
        for _ in 0..count {
            let mut line = String::new();
            output.read_line(&mut line).ok()?;
            sender.send(line).ok()?;
        }
        io::copy(&mut output, &mut io::sink()).ok()
    });
    let address = |_| {
        let line = lines
            .recv_timeout(PATIENCE)
            .map_err(|_| io::Error::other(format!("said nothing for {PATIENCE:?}")))?;
        let address = line.strip_prefix("listening ");
        address
            .and_then(|address| address.trim().parse().ok())
            .ok_or_else(|| io::Error::other(format!("said {line:?}, not `listening ADDRESS`")))
    };
    (0..count).map(address).collect()
}

/// The same of a process that listens on one address.
///
/// # Errors
///
/// As [`listening_addresses`].
pub fn listening_address(process: &mut Child) -> io::Result<SocketAddr> {
    Ok(listening_addresses(process, 1)?[0])
}

/// Waits until a process ends by itself.
///
/// # Errors
///
/// When it goes on for [`PATIENCE`]; it is killed then.
pub fn wait(process: &mut Child) -> io::Result<ExitStatus> {
    let until = Instant::now() + PATIENCE;
    loop {
        if let Some(status) = process.try_wait()? {
            return Ok(status);
        }
        if Instant::now() > until {
            process.kill()?;
            let why = format!("did not end within {PATIENCE:?}");
            return Err(io::Error::new(io::ErrorKind::TimedOut, why));
        }
        thread::sleep(Duration::from_millis(5));
    }
}

/// The path of a program of the project, built with this test's profile and up to date.
///
/// # Errors
///
/// When it cannot be built.
pub fn executable(name: &str) -> Result<PathBuf, Stop> {
    static BUILT: OnceLock<Mutex<Vec<String>>> = OnceLock::new();
    let mut built = BUILT
        .get_or_init(Mutex::default)
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    if !built.iter().any(|it| it == name) {
        let mut build = cargo("build")?;
        // With the features that `cargo test --workspace` builds with, those of the dependencies of
        // tests among them, for which a test must be named: so that nothing is built twice.
        match build
            .args(["--quiet", "--workspace", "--bin", name, "--test", "sum"])
            .status()
        {
            Ok(status) if status.success() => built.push(name.into()),
            result => return Err(Stop::Failed(format!("{build:?}: {result:?}"))),
        }
    }
    Ok(folder()?.join(name))
}

/// A command of cargo for the workspace, with this test's profile and target folder.
///
/// # Errors
///
/// When this program is in no target folder.
pub fn cargo(command: &str) -> Result<Command, Stop> {
    let folder = folder()?;
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut cargo = Command::new(program);
    cargo.args([
        command,
        "--manifest-path",
        concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.toml"),
    ]);
    match folder.file_name().and_then(|name| name.to_str()) {
        Some("debug") | None => {}
        Some(profile) => drop(cargo.args(["--profile", profile])),
    }
    if let Some(target) = folder.parent() {
        cargo.arg("--target-dir").arg(target);
    }
    Ok(cargo)
}

fn folder() -> Result<PathBuf, Stop> {
    profile_folder().map_err(|error| Stop::Failed(error.to_string()))
}
