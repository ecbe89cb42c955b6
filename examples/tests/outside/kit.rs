//! What the tests share: programs of the machine, connections, processes and their logs.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Instant;

use linecho_trials::Stop;
use linecho_trials::process::{PATIENCE, Running};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_echo-server");

/// Returns the program's path, unless the machine lacks it.
pub(crate) fn installed(program: &str, package: &str) -> Result<PathBuf, Stop> {
    ["/usr/bin", "/usr/sbin", "/bin", "/sbin", "/usr/local/bin"]
        .map(|folder| Path::new(folder).join(program))
        .into_iter()
        .find(|path| path.exists())
        .ok_or_else(|| Stop::no_program(program, package))
}

pub(crate) fn connect(address: SocketAddr) -> TcpStream {
    let begin = Instant::now();
    let stream = loop {
        match TcpStream::connect(address) {
            Ok(stream) => break stream,
            Err(error) => assert!(begin.elapsed() < PATIENCE, "{error}"),
        }
        thread::yield_now();
    };
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

pub(crate) fn echo(stream: &mut TcpStream, line: &[u8]) {
    stream.write_all(line).unwrap();
    let mut echo = vec![0; line.len()];
    stream.read_exact(&mut echo).unwrap();
    assert_eq!(echo, line);
}

/// The lines of stderr, as they come.
pub(crate) fn log(process: &mut Running) -> Receiver<String> {
    let (sender, lines) = mpsc::channel();
    let log = BufReader::new(process.0.stderr.take().unwrap());
    thread::spawn(move || {
        for line in log.lines().map_while(Result::ok) {
            // Who has seen enough listens no more.
            let _ = sender.send(line);
        }
    });
    lines
}

pub(crate) fn line(log: &Receiver<String>, part: &str) -> String {
    loop {
        let line = log.recv_timeout(PATIENCE);
        let line = line.unwrap_or_else(|_| panic!("no {part:?} in the log"));
        if line.contains(part) {
            return line;
        }
    }
}

pub(crate) fn start(command: &mut Command) -> Running {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    Running(command.spawn().unwrap())
}

/// Asks a process to end.
pub(crate) fn terminate(process: &Running) {
    kill(Pid::from_raw(process.0.id().cast_signed()), Signal::SIGTERM).unwrap();
}

/// A port that was free just now.
pub(crate) fn free_port() -> u16 {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    socket.local_addr().unwrap().port()
}

/// Runs a program that must succeed.
pub(crate) fn output(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}
