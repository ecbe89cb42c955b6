//! Clients that people have, on an echo-server: each row of docs/CLIENTS.md is run.

#[cfg(target_os = "linux")]
mod linux {
    use std::io::{ErrorKind, Read as _, Write as _};
    use std::process::{ChildStdout, Command, ExitCode, Stdio};
    use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
    use std::thread;
    use std::time::Duration;

    use linecho_trials::process::{PATIENCE, Running, listening_address, wait};
    use linecho_trials::{Stop, Trial, conclude, trial};

    const PAGE: &str = include_str!("../../docs/CLIENTS.md");
    const INPUT: &[u8] = b"x\ny";
    /// After this time, a client that has its echo stays.
    const STAYS: Duration = Duration::from_secs(2);

    /// A row of the table.
    #[derive(Clone, Copy)]
    struct Row {
        client: &'static str,
        package: &'static str,
        echo: &'static str,
        then: &'static str,
    }

    pub(crate) fn main() -> ExitCode {
        let trials: Vec<_> = PAGE.lines().filter_map(row).map(as_trial).collect();
        assert!(!trials.is_empty(), "docs/CLIENTS.md has no table");
        conclude(trials)
    }

    fn row(line: &'static str) -> Option<Row> {
        let cells: Vec<_> = line.split('|').map(str::trim).collect();
        let &["", client, package, echo, then, ""] = &cells[..] else {
            return None;
        };
        Some(Row {
            client: client.strip_prefix('`')?.strip_suffix('`')?,
            package,
            echo,
            then,
        })
    }

    fn as_trial(row: Row) -> Trial {
        trial(row.client, move || {
            let echo = match row.echo {
                "all" => INPUT,
                "without y" => b"x\n",
                "none" => b"",
                other => panic!("docs/CLIENTS.md has no words for the echo {other:?}"),
            };
            talk(row, INPUT, echo)?;
            if !echo.is_empty() {
                let megabyte: Vec<u8> = (1..=160_000)
                    .flat_map(|number| format!("{number}\n").into_bytes())
                    .collect();
                talk(row, &megabyte, &megabyte)?;
            }
            Ok(())
        })
    }

    /// Gives a client `input`, and compares what it prints with `echo`.
    fn talk(row: Row, input: &[u8], echo: &[u8]) -> Result<(), Stop> {
        let mut server = Command::new(env!("CARGO_BIN_EXE_echo-server"));
        server.args(["--listen", "127.0.0.1:0", "--quiet"]);
        let mut server = Running(server.stdout(Stdio::piped()).spawn().unwrap());
        let port = listening_address(&mut server.0).unwrap().port().to_string();

        let command = row.client.replace("PORT", &port);
        let (program, arguments) = command.split_once(' ').unwrap();
        let mut command = Command::new(program);
        command.args(arguments.split(' '));
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut client = match command.stderr(Stdio::null()).spawn() {
            Ok(client) => Running(client),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let (package, _) = row.package.split_once(' ').unwrap();
                return Err(Stop::no_program(program, package));
            }
            Err(error) => panic!("{program}: {error}"),
        };
        let (mut stdin, input) = (client.0.stdin.take().unwrap(), input.to_vec());
        // Fails for a client that ends before its input does; what it prints shows it.
        thread::spawn(move || stdin.write_all(&input));
        let output = chunks(client.0.stdout.take().unwrap());

        match row.then {
            "ends" => {
                let status = wait(&mut client.0).unwrap();
                assert_eq!(status.code(), Some(0));
                let printed: Vec<u8> = output.iter().flatten().collect();
                if echo.is_empty() {
                    // It says for itself that it connects.
                    let printed = String::from_utf8_lossy(&printed);
                    assert!(!printed.contains("x\n"), "{printed}");
                } else {
                    assert_same(&printed, echo);
                }
            }
            "stays" => {
                let mut printed = Vec::new();
                while printed.len() < echo.len()
                    && let Ok(chunk) = output.recv_timeout(PATIENCE)
                {
                    printed.extend(chunk);
                }
                let more = output.recv_timeout(STAYS);
                assert_eq!(more, Err(RecvTimeoutError::Timeout), "it stays silent");
                assert_same(&printed, echo);
            }
            other => panic!("docs/CLIENTS.md has no words for what follows: {other:?}"),
        }
        Ok(())
    }

    fn assert_same(printed: &[u8], echo: &[u8]) {
        let both = [printed, echo].map(|bytes| {
            let end = &bytes[bytes.len().saturating_sub(50)..];
            format!(
                "{} bytes, ending {:?}",
                bytes.len(),
                end.escape_ascii().to_string()
            )
        });
        assert!(
            printed == echo,
            "printed {}; should be {}",
            both[0],
            both[1]
        );
    }

    /// What is printed, as it comes. It ends when the client does.
    fn chunks(mut stdout: ChildStdout) -> Receiver<Vec<u8>> {
        let (sender, chunks) = mpsc::channel();
        thread::spawn(move || {
            let mut buffer = vec![0; 65_536];
            while let Ok(length @ 1..) = stdout.read(&mut buffer) {
                if sender.send(buffer[..length].to_vec()).is_err() {
                    break;
                }
            }
        });
        chunks
    }
}

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    linux::main()
}

#[cfg(not(target_os = "linux"))]
fn main() {}
