//! The prompt on a terminal.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use nix::pty::openpty;

use crate::kit::*;

const LIMIT: Duration = Duration::from_secs(30);

/// The program on a terminal, and what it prints.
struct Terminal {
    process: Child,
    keys: File,
    printed: Receiver<Vec<u8>>,
    seen: String,
}

impl Terminal {
    fn start(address: &str) -> Self {
        let pty = openpty(None, None).unwrap();
        let slave = || Stdio::from(pty.slave.try_clone().unwrap());
        let process = command()
            .arg(address)
            .stdin(slave())
            .stdout(slave())
            .stderr(slave())
            .spawn()
            .unwrap();
        let mut screen = File::from(pty.master);
        let keys = screen.try_clone().unwrap();
        let (sender, printed) = channel();
        thread::spawn(move || {
            let mut buffer = [0; 1024];
            while let Ok(n @ 1..) = screen.read(&mut buffer) {
                let _ = sender.send(buffer[..n].to_vec());
            }
        });
        Self {
            process,
            keys,
            printed,
            seen: String::new(),
        }
    }

    fn wait_for(&mut self, text: &str) {
        let began = Instant::now();
        while !self.seen.contains(text) {
            let left = LIMIT.saturating_sub(began.elapsed());
            match self.printed.recv_timeout(left) {
                Ok(bytes) => self.seen += &String::from_utf8_lossy(&bytes),
                Err(error) => panic!("{text:?}: {error}: {:?}", self.seen),
            }
        }
    }
}

#[test]
fn lines_are_echoed_with_their_time_until_the_end_of_input() {
    let server = Running::start();
    let mut terminal = Terminal::start(&server.address());
    terminal.wait_for("> ");
    terminal.keys.write_all(b"hello\r").unwrap();
    terminal.wait_for("hello   (");
    terminal.wait_for(" ms)");
    terminal.keys.write_all(b"\x04").unwrap();
    assert_eq!(terminal.process.wait().unwrap().code(), Some(0));
}

/// Nobody types anything.
#[test]
fn the_servers_end_is_told_at_once() {
    let (go, is_going) = channel::<()>();
    let address = server(move |stream| {
        let _ = is_going.recv_timeout(LIMIT);
        drop(stream);
    });
    let mut terminal = Terminal::start(&address);
    terminal.wait_for("> ");
    go.send(()).unwrap();
    terminal.wait_for("the server has closed the connection");
    assert_eq!(terminal.process.wait().unwrap().code(), Some(1));
}

#[test]
fn a_greeting_is_told_at_once() {
    let address = server(|mut stream| {
        stream.write_all(b"220 mail.example ESMTP\r\n").unwrap();
        thread::sleep(LIMIT);
    });
    let mut terminal = Terminal::start(&address);
    terminal.wait_for("greeting of a mail or file server: this is not a line echo");
    assert_eq!(terminal.process.wait().unwrap().code(), Some(1));
}

/// The line that is being typed is drawn again behind the message, and the terminal has its modes
/// back.
#[test]
fn the_servers_end_does_not_tear_what_is_typed() {
    use nix::sys::termios::{LocalFlags, tcgetattr};
    let (go, is_going) = channel::<()>();
    let address = server(move |stream| {
        let _ = is_going.recv_timeout(LIMIT);
        drop(stream);
    });
    let mut terminal = Terminal::start(&address);
    let cooked = |terminal: &Terminal| {
        let modes = tcgetattr(&terminal.keys).unwrap();
        modes
            .local_flags
            .contains(LocalFlags::ICANON | LocalFlags::ECHO)
    };
    terminal.wait_for("> ");
    terminal.keys.write_all(b"half a li").unwrap();
    terminal.wait_for("half a li");
    assert!(!cooked(&terminal), "an editor reads keys one by one");
    go.send(()).unwrap();
    terminal.wait_for("\r\necho-client: the server has closed the connection");
    assert_eq!(terminal.process.wait().unwrap().code(), Some(1));
    assert!(cooked(&terminal));
}

#[test]
fn the_arrow_brings_back_the_line_before() {
    let server = Running::start();
    let mut terminal = Terminal::start(&server.address());
    terminal.wait_for("> ");
    terminal.keys.write_all(b"first\r").unwrap();
    terminal.wait_for("first   (");
    terminal.seen.clear();
    terminal.keys.write_all(b"\x1b[A, again\r").unwrap();
    terminal.wait_for("first, again   (");
    terminal.keys.write_all(b"\x04").unwrap();
    assert_eq!(terminal.process.wait().unwrap().code(), Some(0));
}
