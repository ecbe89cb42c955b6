//! Helpers of the tests.

use std::io::{BufRead as _, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use linecho_trials::Stop;
use nix::sys::signal::{self, Signal};
use nix::unistd::Pid;

pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_echo-tap");

/// The longest wait of a test for anything.
const LIMIT: Duration = Duration::from_secs(30);

/// `echo-tap --netns` with these options, and a command to run in the namespace.
pub(crate) fn in_namespace(options: &[&str], command: &[&str]) -> Output {
    let mut program = Command::new(PROGRAM);
    program.arg("--netns").args(options).arg("--").args(command);
    program.output().expect("echo-tap can be started")
}

/// Makes a namespace with a TAP device, once, and looks for the tools that tests use in it.
pub(crate) fn can_make_namespaces() -> Result<(), Stop> {
    const TOOLS: &str = "for tool in python3 nc ping ip iptables; do \
        command -v $tool >/dev/null || { echo $tool; exit 77; }; done; iptables -L >/dev/null";
    static FOUND: OnceLock<Result<(), Stop>> = OnceLock::new();
    let look = || {
        let output = in_namespace(&["--quiet"], &["sh", "-c", TOOLS]);
        match output.status.code() {
            Some(0) => Ok(()),
            Some(77) => Err(Stop::no_program(
                text(&output.stdout).trim(),
                "python3 netcat-openbsd iputils-ping iproute2 iptables",
            )),
            _ => Err(Stop::lacking(&text(&output.stderr))),
        }
    };
    FOUND.get_or_init(look).clone()
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Asks again and again, within the limit.
#[track_caller]
pub(crate) fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let until = Instant::now() + LIMIT;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < until, "not within {LIMIT:?}: {what}");
        thread::sleep(Duration::from_millis(10));
    }
}

/// A program that ends with the test, and the lines that it says on stderr.
pub(crate) struct Running {
    child: Child,
    lines: Receiver<String>,
}

impl Running {
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program can be started");
        let stderr = child.stderr.take().expect("it is piped");
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            let lines = BufReader::new(stderr).lines().map_while(Result::ok);
            // The test may have no use for the rest.
            lines
                .map(|line| line + "\n")
                .try_for_each(|line| sender.send(line))
        });
        Self { child, lines }
    }

    /// Returns its log up to a line that holds `part`.
    pub(crate) fn says(&mut self, part: &str) -> String {
        let mut said = String::new();
        loop {
            match self.lines.recv_timeout(LIMIT) {
                Ok(line) => said.push_str(&line),
                Err(why) => panic!("no {part:?} ({why}) after: {said}"),
            }
            if said
                .lines()
                .next_back()
                .is_some_and(|line| line.contains(part))
            {
                return said;
            }
        }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.id().try_into().expect("it is a process"));
        signal::kill(pid, signal).expect("it is running");
    }

    /// Waits for its end, and returns its exit status and the rest of its log.
    pub(crate) fn end(mut self) -> (ExitStatus, String) {
        let status = wait_for("its end", || self.child.try_wait().expect("it is ours"));
        (status, self.lines.iter().collect())
    }

    pub(crate) fn stdout(&mut self) -> impl Read + use<> {
        self.child.stdout.take().expect("it is piped")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
