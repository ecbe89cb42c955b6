//! A shell that is given one command at a time.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;
use std::{env, fs, io, process, thread};

use linecho_trials::Stop;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

/// The longest that a command may take: the first builds the programs.
const PATIENCE: Duration = Duration::from_secs(15 * 60);

/// Follows each command's output, with its exit code.
const DONE: &str = "== done: ";

pub(crate) struct Shell {
    process: Child,
    input: ChildStdin,
    output: Receiver<String>,
    /// For what the commands leave.
    folder: PathBuf,
}

impl Shell {
    /// Starts one in `place`.
    pub(crate) fn start(place: &Path) -> Result<Self, Stop> {
        let folder = env::temp_dir().join(format!("linecho-tutorial-{}", process::id()));
        let failed = |error: io::Error| Stop::Failed(format!("cannot start a shell: {error}"));
        fs::create_dir_all(&folder).map_err(failed)?;
        let mut process = Command::new("bash")
            .current_dir(place)
            .env("TMPDIR", &folder)
            // The page says where cargo puts the programs.
            .env_remove("CARGO_TARGET_DIR")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .process_group(0)
            .spawn()
            .map_err(failed)?;
        let (Some(input), Some(output)) = (process.stdin.take(), process.stdout.take()) else {
            unreachable!("both are pipes");
        };
        let (sender, receiver) = mpsc::channel();
        thread::spawn(move || {
            let lines = BufReader::new(output).lines();
            lines
                .map_while(Result::ok)
                .try_for_each(|line| sender.send(line))
        });
        let mut shell = Self {
            process,
            input,
            output: receiver,
            folder,
        };
        shell.run("exec 2>&1")?;
        // With the features that `cargo test --workspace` builds with, so that what it has built is
        // not built again.
        shell.run("cargo() { command cargo \"$@\" --workspace --test sum; }")?;
        Ok(shell)
    }

    /// Returns the lines that a command prints. It must succeed.
    pub(crate) fn run(&mut self, command: &str) -> Result<Vec<String>, Stop> {
        let failed = |why: String| Stop::Failed(format!("$ {command}\n{why}"));
        writeln!(self.input, "{command}\nprintf '\\n{DONE}%s\\n' $?")
            .map_err(|error| failed(error.to_string()))?;
        let mut lines = Vec::new();
        loop {
            let line = self.output.recv_timeout(PATIENCE).map_err(|error| {
                failed(format!("{error} after these lines:\n{}", lines.join("\n")))
            })?;
            match line.strip_prefix(DONE) {
                None => lines.push(line),
                // An empty line comes before it, if the output ended in a newline.
                Some("0") => {
                    lines.pop_if(|line| line.is_empty());
                    return Ok(lines);
                }
                Some(code) => {
                    return Err(failed(format!("exit code {code}\n{}", lines.join("\n"))));
                }
            }
        }
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        // With what it has started. It fails if all have ended.
        if let Ok(group) = self.process.id().try_into() {
            let _ = killpg(Pid::from_raw(group), Signal::SIGKILL);
        }
        let _ = self.process.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}
