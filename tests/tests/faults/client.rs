//! `echo-client` as a filter whose input stays open.

use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use linecho_trials::Stop;
use linecho_trials::process::{PATIENCE, executable};

/// A client that runs.
pub(crate) struct Client {
    process: Child,
    stdin: Option<ChildStdin>,
    stdout: Option<ChildStdout>,
    /// All of its standard error, in the end.
    stderr: Receiver<String>,
}

impl Client {
    /// Starts it with these options, which have their values behind `=`.
    pub(crate) fn start(server: SocketAddr, options: &[&str]) -> Result<Self, Stop> {
        let mut command = Command::new(executable("echo-client")?);
        Self::of(command.args(options).arg(server.to_string()).env_clear())
    }

    /// Starts the command that is the client.
    pub(crate) fn of(command: &mut Command) -> Result<Self, Stop> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let process = command.stderr(Stdio::piped()).spawn();
        let mut process = process.map_err(|error| Stop::Failed(error.to_string()))?;
        let mut stderr = process.stderr.take().unwrap();
        let (sender, text) = channel();
        thread::spawn(move || {
            let mut text = String::new();
            let _ = stderr.read_to_string(&mut text);
            // The test may be over.
            let _ = sender.send(text);
        });
        Ok(Self {
            stdin: process.stdin.take(),
            stdout: process.stdout.take(),
            stderr: text,
            process,
        })
    }

    /// Sends these bytes; they may not come back.
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.stdin.as_mut().unwrap().write_all(bytes).unwrap();
    }

    /// Sends these bytes, unless the client has ended.
    pub(crate) fn try_send(&mut self, bytes: &[u8]) {
        let _ = self.stdin.as_mut().unwrap().write_all(bytes);
    }

    /// Sends a line, and waits for its echo.
    pub(crate) fn echo(&mut self, line: &[u8]) {
        self.send(line);
        let mut echo = vec![0; line.len()];
        self.stdout.as_mut().unwrap().read_exact(&mut echo).unwrap();
        assert_eq!(echo, line);
    }

    /// Sends lines without end, in a thread, and waits until some have come back.
    pub(crate) fn stream(&mut self) {
        let mut stdin = self.stdin.take().unwrap();
        let mut stdout = self.stdout.take().unwrap();
        let lines = [b'x'; 63].iter().chain(b"\n").copied().cycle();
        let lines: Vec<u8> = lines.take(1 << 16).collect();
        thread::spawn(move || while stdin.write_all(&lines).is_ok() {});
        let (enough, is_enough) = channel();
        thread::spawn(move || {
            let mut came = 0;
            let mut buffer = vec![0; 1 << 16];
            while let Ok(n @ 1..) = stdout.read(&mut buffer) {
                came += n;
                if came > 1 << 22 {
                    // The test goes on after the first.
                    let _ = enough.send(());
                }
            }
        });
        is_enough.recv_timeout(PATIENCE).expect("lines come back");
    }

    /// Sends lines and a rest, all of which must come back, and waits for the good end.
    #[track_caller]
    pub(crate) fn assert_works(mut self) {
        self.send(b"two\nlines");
        self.stdin = None;
        let text = self.stderr.recv_timeout(PATIENCE);
        let status = self.process.wait().unwrap();
        assert_eq!((status.code(), text.as_deref()), (Some(0), Ok("")));
        let mut echo = String::new();
        let mut stdout = self.stdout.take().unwrap();
        stdout.read_to_string(&mut echo).unwrap();
        assert_eq!(echo, "two\nlines");
    }

    /// Waits for its end, which must be a failure, and returns its words. The input stays open.
    #[track_caller]
    pub(crate) fn fails(mut self) -> String {
        let text = self.stderr.recv_timeout(PATIENCE);
        let text = text.expect("it ends by itself");
        let status = self.process.wait().unwrap();
        assert_eq!(status.code(), Some(1), "{text}");
        text
    }

    /// Waits for its end, which must be a failure with these words.
    #[track_caller]
    pub(crate) fn assert_fails(self, parts: &[&str]) {
        let text = self.fails();
        for part in parts {
            assert!(text.contains(part), "no {part:?} in: {text}");
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
