//! The prompt in a real terminal, tmux, with a shell that has jobs.

fn main() -> std::process::ExitCode {
    #[cfg(unix)]
    return unix::main();
    #[cfg(not(unix))]
    std::process::ExitCode::SUCCESS
}

#[cfg(unix)]
mod unix {
    use std::fs;
    use std::io::{BufRead as _, BufReader, Write as _};
    use std::net::{SocketAddr, TcpListener};
    use std::path::PathBuf;
    use std::process::{Command, ExitCode};
    use std::sync::mpsc::{Receiver, Sender, channel};
    use std::thread;
    use std::time::{Duration, Instant};

    use linecho_trials::process::PATIENCE;
    use linecho_trials::{Stop, conclude, trials};

    pub(crate) fn main() -> ExitCode {
        conclude(trials![
            a_reply_does_not_tear_what_is_typed,
            a_stopped_prompt_is_drawn_again,
            another_width_wraps_the_line_anew,
            the_servers_end_leaves_a_shell_in_order,
        ])
    }

    /// A server of one connection that answers a line when it is let go.
    fn server() -> (SocketAddr, Sender<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (go, is_going): (_, Receiver<()>) = channel();
        thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            let mut input = BufReader::new(stream.try_clone().unwrap());
            let (mut output, mut line) = (stream, Vec::new());
            while input.read_until(b'\n', &mut line).unwrap_or(0) > 0 && is_going.recv().is_ok() {
                let _ = output.write_all(&line);
                line.clear();
            }
        });
        (address, go)
    }

    /// A terminal with a shell. It ends when this is dropped.
    struct Terminal {
        folder: PathBuf,
    }

    impl Terminal {
        fn start() -> Result<Self, Stop> {
            if Command::new("tmux").arg("-V").output().is_err() {
                return Err(Stop::no_program("tmux", "tmux"));
            }
            let unique = TcpListener::bind("127.0.0.1:0")
                .unwrap()
                .local_addr()
                .unwrap();
            let folder = std::env::temp_dir().join(format!("linecho-tmux-{}", unique.port()));
            fs::create_dir(&folder).unwrap();
            let terminal = Self { folder };
            let shell = "PS1='$ ' exec bash --norc --noprofile";
            terminal.tmux(&[
                "-f",
                "/dev/null",
                "new-session",
                "-d",
                "-x",
                "80",
                "-y",
                "24",
                shell,
            ]);
            Ok(terminal)
        }

        fn tmux(&self, arguments: &[&str]) -> String {
            let output = Command::new("tmux")
                .arg("-S")
                .arg(self.folder.join("socket"))
                .args(arguments)
                // Which starts commands: that of the user may be nologin(8).
                .env("SHELL", "/bin/sh")
                .env_remove("TMUX")
                .env_remove("LINECHO_SERVER")
                .output()
                .unwrap();
            String::from_utf8_lossy(&output.stdout).into_owned()
        }

        fn keys(&self, keys: &[&str]) {
            self.tmux(&[&["send-keys"], keys].concat());
        }

        /// Waits until the last line of the screen is this one, and returns all before it.
        fn wait_for_last(&self, last: &str) -> String {
            let began = Instant::now();
            loop {
                let screen = self.tmux(&["capture-pane", "-p"]);
                let text = screen.trim_end();
                let (before, line) = text.rsplit_once('\n').unwrap_or(("", text));
                if line.trim_end() == last {
                    return before.into();
                }
                assert!(
                    began.elapsed() < PATIENCE,
                    "{last:?} is not last:\n{screen}"
                );
                thread::sleep(Duration::from_millis(50));
            }
        }

        fn client(&self, address: SocketAddr) {
            self.wait_for_last("$");
            let command = format!("{} {address}", env!("CARGO_BIN_EXE_echo-client"));
            self.keys(&[&command, "Enter"]);
            self.wait_for_last(">");
        }
    }

    impl Drop for Terminal {
        fn drop(&mut self) {
            self.tmux(&["kill-server"]);
            let _ = fs::remove_dir_all(&self.folder);
        }
    }

    fn a_reply_does_not_tear_what_is_typed() -> Result<(), Stop> {
        let terminal = Terminal::start()?;
        let (address, go) = server();
        terminal.client(address);
        terminal.keys(&["first", "Enter"]);
        terminal.wait_for_last(">");
        terminal.keys(&["the second, half"]);
        terminal.wait_for_last("> the second, half");
        go.send(()).unwrap();
        let began = Instant::now();
        while !terminal
            .wait_for_last("> the second, half")
            .contains("\nfirst   (")
        {
            assert!(began.elapsed() < PATIENCE, "the reply is not shown above");
        }
        terminal.keys(&[" and whole", "Enter"]);
        go.send(()).unwrap();
        let began = Instant::now();
        while !terminal
            .wait_for_last(">")
            .contains("\nthe second, half and whole   (")
        {
            assert!(began.elapsed() < PATIENCE, "the line is not whole");
        }
        terminal.keys(&["C-d"]);
        terminal.wait_for_last("$");
        Ok(())
    }

    fn a_stopped_prompt_is_drawn_again() -> Result<(), Stop> {
        let terminal = Terminal::start()?;
        let (address, go) = server();
        go.send(()).unwrap();
        terminal.client(address);
        terminal.keys(&["half a li"]);
        terminal.wait_for_last("> half a li");
        terminal.keys(&["C-z"]);
        let screen = terminal.wait_for_last("$");
        assert!(screen.contains("Stopped"), "{screen}");
        terminal.keys(&["fg", "Enter"]);
        terminal.wait_for_last("> half a li");
        terminal.keys(&["ne", "Enter"]);
        let began = Instant::now();
        while !terminal.wait_for_last(">").contains("\nhalf a line   (") {
            assert!(began.elapsed() < PATIENCE, "the line does not come back");
        }
        Ok(())
    }

    fn another_width_wraps_the_line_anew() -> Result<(), Stop> {
        let terminal = Terminal::start()?;
        let (address, go) = server();
        terminal.client(address);
        let line = "0123456789".repeat(5);
        terminal.keys(&[&line]);
        terminal.wait_for_last(&format!("> {line}"));
        // A width of 30 has room for 28 characters behind the prompt.
        terminal.tmux(&["resize-window", "-x", "30", "-y", "24"]);
        terminal.keys(&["abc"]);
        let before = terminal.wait_for_last(&format!("{}abc", &line[28..]));
        assert!(
            before.ends_with(&format!("\n> {}", &line[..28])),
            "{before}"
        );
        terminal.tmux(&["resize-window", "-x", "80", "-y", "24"]);
        terminal.keys(&["d"]);
        terminal.wait_for_last(&format!("> {line}abcd"));
        go.send(()).unwrap();
        terminal.keys(&["Enter"]);
        let began = Instant::now();
        while !terminal
            .wait_for_last(">")
            .contains(&format!("\n{line}abcd   ("))
        {
            assert!(began.elapsed() < PATIENCE, "the line does not come back");
        }
        Ok(())
    }

    fn the_servers_end_leaves_a_shell_in_order() -> Result<(), Stop> {
        let terminal = Terminal::start()?;
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        terminal.client(listener.local_addr().unwrap());
        let (stream, _) = listener.accept().unwrap();
        terminal.keys(&["half a li"]);
        terminal.wait_for_last("> half a li");
        drop(stream);
        let screen = terminal.wait_for_last("$");
        let told = "> half a li\necho-client: the server has closed the connection";
        assert!(screen.ends_with(told), "{screen}");
        // The shell shows again what is typed.
        terminal.keys(&["cat", "Enter", "shown"]);
        terminal.wait_for_last("shown");
        Ok(())
    }
}
