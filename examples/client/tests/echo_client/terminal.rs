//! The prompt on a terminal.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use nix::pty::openpty;

use crate::kit::*;

const LIMIT: Duration = Duration::from_secs(30);

/// The program on a terminal, and what it prints.
pub(crate) struct Terminal {
    process: Child,
    keys: File,
    printed: Receiver<Vec<u8>>,
    seen: String,
}

impl Terminal {
    pub(crate) fn start(address: &str) -> Self {
        Self::run(command().arg(address))
    }

    /// Runs a command on a terminal of 80 columns.
    fn run(command: &mut Command) -> Self {
        let size = nix::pty::Winsize {
            ws_row: 24,
            ws_col: 80,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        let pty = openpty(&size, None).unwrap();
        let slave = || Stdio::from(pty.slave.try_clone().unwrap());
        let process = command
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

    pub(crate) fn keys(&mut self, keys: &[u8]) {
        self.keys.write_all(keys).unwrap();
    }

    /// Pastes as terminals do that mark a paste, and ends the line.
    fn paste(&mut self, text: &str) {
        let keys = format!("\x1b[200~{text}\x1b[201~\r");
        self.keys.write_all(keys.as_bytes()).unwrap();
    }

    /// Presses Ctrl-D at the next prompt.
    pub(crate) fn end(&mut self, code: i32) {
        // Between two prompts the terminal would take the key for itself.
        while !self.seen.ends_with("> \r\x1b[2C\x1b[?2026l") {
            self.look();
        }
        self.keys.write_all(b"\x04").unwrap();
        assert_eq!(self.process.wait().unwrap().code(), Some(code));
    }

    /// True if the terminal has the modes of a shell, rather than those of an editor.
    fn is_cooked(&self) -> bool {
        use nix::sys::termios::{LocalFlags, tcgetattr};
        let modes = tcgetattr(&self.keys).unwrap();
        let shell = LocalFlags::ICANON | LocalFlags::ECHO;
        modes.local_flags.contains(shell)
    }

    fn look(&mut self) {
        match self.printed.recv_timeout(LIMIT) {
            Ok(bytes) => self.seen += &String::from_utf8_lossy(&bytes),
            Err(error) => panic!("{error}: {:?}", self.seen),
        }
    }

    pub(crate) fn wait_for(&mut self, text: &str) {
        let began = Instant::now();
        // What was looked at, but for the beginning of a match.
        let mut looked = 0;
        while !self.seen[looked..].contains(text) {
            looked = self.seen.len().saturating_sub(text.len());
            while !self.seen.is_char_boundary(looked) {
                looked -= 1;
            }
            let left = LIMIT.saturating_sub(began.elapsed());
            match self.printed.recv_timeout(left) {
                Ok(bytes) => self.seen += &String::from_utf8_lossy(&bytes),
                Err(error) => panic!("{text:?}: {error}: {:?}", self.seen),
            }
        }
    }
}

/// A server, and the program at its first prompt.
fn at_prompt() -> (Running, Terminal) {
    let server = Running::start();
    let mut terminal = Terminal::start(&server.address());
    terminal.wait_for("> ");
    (server, terminal)
}

#[test]
fn lines_are_echoed_with_their_time_until_the_end_of_input() {
    let (_server, mut terminal) = at_prompt();
    terminal.keys.write_all(b"hello\r").unwrap();
    terminal.wait_for("hello   (");
    terminal.wait_for(" ms)");
    terminal.end(0);
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
        // Until the client goes.
        let _ = stream.read_to_end(&mut Vec::new());
    });
    let mut terminal = Terminal::start(&address);
    terminal.wait_for("greeting of a mail or file server: this is not a line echo");
    assert_eq!(terminal.process.wait().unwrap().code(), Some(1));
}

/// The line that is being typed is drawn again behind the message, and the terminal has its modes
/// back.
#[test]
fn the_servers_end_does_not_tear_what_is_typed() {
    let (go, is_going) = channel::<()>();
    let address = server(move |stream| {
        let _ = is_going.recv_timeout(LIMIT);
        drop(stream);
    });
    let mut terminal = Terminal::start(&address);
    terminal.wait_for("> ");
    terminal.keys.write_all(b"half a li").unwrap();
    terminal.wait_for("half a li");
    assert!(!terminal.is_cooked(), "an editor reads keys one by one");
    go.send(()).unwrap();
    terminal.wait_for("\r\necho-client: the server has closed the connection");
    assert_eq!(terminal.process.wait().unwrap().code(), Some(1));
    assert!(terminal.is_cooked());
}

#[test]
fn the_arrow_brings_back_the_line_before() {
    let (_server, mut terminal) = at_prompt();
    terminal.keys.write_all(b"first\r").unwrap();
    terminal.wait_for("first   (");
    terminal.seen.clear();
    terminal.keys.write_all(b"\x1b[A, again\r").unwrap();
    terminal.wait_for("first, again   (");
    terminal.end(0);
}

#[test]
fn a_reply_cannot_drive_the_terminal() {
    let (_server, mut terminal) = at_prompt();
    // Ctrl-V takes the next key as it is.
    terminal
        .keys
        .write_all(b"a\x16\x1b[31mred\x16\x07\r")
        .unwrap();
    terminal.wait_for("a\\x1b[31mred\\x07   (");
    terminal.end(0);
}

#[test]
fn characters_may_come_in_pieces_and_wrong_ones_end_nothing() {
    let (_server, mut terminal) = at_prompt();
    terminal.keys.write_all(b"\xc3").unwrap();
    terminal.keys.write_all(b"\xa9 and \xe6\x97").unwrap();
    terminal.keys.write_all(b"\xa5\r").unwrap();
    terminal.wait_for("\u{e9} and \u{65e5}   (");
    terminal.keys.write_all(b"\xff").unwrap();
    terminal.wait_for("That was not UTF-8, and was dropped.\r\n\x1b[?2004h\x1b[?2026h\r\x1b[K> ");
    terminal.keys.write_all(b"after\r").unwrap();
    terminal.wait_for("after   (");
    terminal.end(0);
}

#[test]
fn a_very_long_line_comes_back() {
    let (_server, mut terminal) = at_prompt();
    let line = "y".repeat(60_000);
    terminal.paste(&line);
    terminal.wait_for(&format!("{line}   ("));
    terminal.end(0);
}

/// As a terminal marks it, and as keys that come fast: lines that are typed ahead are not lost.
#[test]
fn a_paste_of_ten_thousand_lines_comes_back() {
    let (_server, mut terminal) = at_prompt();
    let lines: Vec<_> = (0..10_000).map(|i| format!("pasted {i}\n")).collect();
    terminal.paste(&lines.concat());
    terminal.wait_for("pasted 9999   (");
    let lines: Vec<_> = (0..1_000).map(|i| format!("typed {i}\r")).collect();
    terminal.keys.write_all(lines.concat().as_bytes()).unwrap();
    terminal.wait_for("typed 999   (");
    for line in ["pasted 0", "pasted 5000", "typed 0", "typed 500"] {
        assert!(terminal.seen.contains(&format!("{line}   (")), "{line}");
    }
    let replies = terminal.seen.matches(" ms)").count();
    assert_eq!(replies, 11_000);
    terminal.end(0);
}

#[test]
fn ctrl_c_ends_it_and_leaves_the_terminal_in_order() {
    let (_server, mut terminal) = at_prompt();
    terminal.keys.write_all(b"half a li").unwrap();
    terminal.wait_for("half a li");
    terminal.keys.write_all(b"\x03").unwrap();
    assert_eq!(terminal.process.wait().unwrap().code(), Some(0));
    assert!(terminal.is_cooked());
}

/// Returns what is on the screen in the end, if each line fits: `\r` and "erase to the end of the
/// line" go back to the beginning of one.
fn screen(printed: &str) -> Vec<String> {
    let lines = printed.split("\r\n");
    let last = |line: &str| {
        line.rsplit("\r\x1b[K")
            .next()
            .unwrap_or_default()
            .to_owned()
    };
    lines.map(last).collect()
}

#[test]
fn progress_is_one_line_that_is_gone_in_the_end() {
    let server = Running::start();
    let mut terminal =
        Terminal::run(command().args(["load", "-c", "3", "-d", "1s", &server.address()]));
    terminal.wait_for("  3 connections  ");
    terminal.wait_for(" lines verified");
    assert_eq!(terminal.process.wait().unwrap().code(), Some(0));
    terminal.wait_for(" %  #");
    let screen = screen(&terminal.seen);
    assert!(
        !screen.iter().any(|line| line.contains("3 connections  ")),
        "{screen:?}"
    );
    assert!(
        screen.iter().all(|line| line.chars().count() <= 80),
        "{screen:?}"
    );
}

#[test]
fn colours_are_for_terminals_and_for_those_who_want_them() {
    let server = Running::start();
    let address = server.address();
    let check = ["check", "--most-buffered", "64KiB", &address];
    let good = "\x1b[32mgood\x1b[0m  ";
    let mut terminal = Terminal::run(command().env("TERM", "xterm").args(check));
    terminal.wait_for(good);
    terminal.wait_for("The contract of a line echo holds");
    let screen = screen(&terminal.seen);
    assert!(
        !screen.iter().any(|line| line.contains("asking on")),
        "{screen:?}"
    );

    for variable in [("NO_COLOR", "1"), ("TERM", "dumb")] {
        let mut command = command();
        command.env("TERM", "xterm").envs([variable]).args(check);
        let mut terminal = Terminal::run(&mut command);
        terminal.wait_for("The contract of a line echo holds");
        assert!(!terminal.seen.contains("\x1b[3"), "{:?}", terminal.seen);
    }
    let output = run(command().env("TERM", "xterm").args(check), b"");
    assert!(!output.stdout.contains(&0x1b) && output.stderr.is_empty());
}

#[test]
fn the_prompt_has_no_json() {
    let mut terminal = Terminal::run(command().args(["--json", &refusing()]));
    terminal.wait_for("--json is for a pipe or a mode");
    assert_eq!(terminal.process.wait().unwrap().code(), Some(2));
}
