//! The examples of `--help`, completion scripts and manual pages, as other programs take them.

fn main() -> std::process::ExitCode {
    #[cfg(unix)]
    return unix::main();
    #[cfg(not(unix))]
    std::process::ExitCode::SUCCESS
}

#[cfg(unix)]
mod unix {
    use std::collections::BTreeSet;
    use std::net::SocketAddr;
    use std::path::PathBuf;
    use std::process::{Command, ExitCode, Output, Stdio};
    use std::{env, fs, process, thread};

    use linecho_std::{Handle, Server};
    use linecho_trials::{Stop, conclude, trials};

    const PROGRAM: &str = env!("CARGO_BIN_EXE_echo-client");
    const MODES: [&str; 5] = ["send", "check", "load", "wait", "ping"];

    pub(crate) fn main() -> ExitCode {
        conclude(trials![
            the_examples_of_each_help_work,
            the_session_of_the_readme_works,
            there_is_a_manual_page_for_each_mode,
            man_renders_the_pages_without_warnings,
            mandoc_finds_no_fault_in_the_pages,
            bash_completes,
            zsh_takes_the_completions,
            fish_completes,
            there_are_completions_for_shells_that_debian_lacks,
        ])
    }

    fn client(arguments: &[&str]) -> String {
        let output = Command::new(PROGRAM)
            .args(arguments)
            .env_clear()
            .output()
            .unwrap();
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// A folder that is deleted when this is dropped.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let name = format!("linecho-{name}-{}", process::id());
            let folder = env::temp_dir().join(name);
            fs::create_dir(&folder).unwrap();
            Self(folder)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    /// A server, and a shell whose commands talk to it.
    struct Session {
        address: SocketAddr,
        handle: Handle,
        folder: Folder,
    }

    impl Session {
        fn start(name: &str) -> Self {
            let listen = "127.0.0.1:0".parse().unwrap();
            let server = Server::builder().listen([listen]).unwrap();
            let (address, handle) = (server.addresses()[0], server.handle());
            thread::spawn(|| server.run().unwrap());
            let folder = Folder::new(name);
            Self {
                address,
                handle,
                folder,
            }
        }

        /// Runs a command whose target is replaced by the server, and returns what it prints.
        fn run(&self, command: &str, target: [&str; 2]) -> String {
            let (ip, port) = (self.address.ip().to_string(), self.address.port());
            let here = command
                .replace(&target.join(":"), &format!("{ip}:{port}"))
                .replace(&target.join(" "), &format!("{ip} {port}"));
            let path = PathBuf::from(PROGRAM);
            let programs = path.parent().unwrap().display();
            let output = Command::new("bash")
                .args(["-o", "pipefail", "-c", &here])
                .current_dir(&self.folder.0)
                .env_clear()
                .env("PATH", format!("{programs}:/usr/bin:/bin"))
                .env("LINECHO_SERVER", self.address.to_string())
                .stdin(Stdio::null())
                .output()
                .unwrap();
            assert!(output.status.success(), "{command}: {output:?}");
            String::from_utf8(output.stdout).unwrap()
        }
    }

    impl Drop for Session {
        fn drop(&mut self) {
            self.handle.shutdown();
        }
    }

    /// Returns an example that runs for a second in place of five or, where it does not say, ten.
    fn shortened(example: &str) -> String {
        let example = example.replace("-d 5s", "-d 1s");
        match example.contains("load") && !example.contains(" -d ") && !example.contains(" -n ") {
            true => example.replace("load", "load -d 1s"),
            false => example,
        }
    }

    fn the_examples_of_each_help_work() -> Result<(), Stop> {
        let session = Session::start("examples");
        let mut run = BTreeSet::new();
        for mode in [""].into_iter().chain(MODES) {
            let words = [mode, "--help"];
            let help = client(&words[usize::from(mode.is_empty())..]);
            let (_, examples) = help
                .split_once("Examples:\n")
                .unwrap_or_else(|| panic!("{help}"));
            for line in examples.lines().map_while(|line| line.strip_prefix("  ")) {
                let (example, _) = line.split_once("  ").unwrap();
                if run.insert(example.to_owned()) {
                    session.run(&shortened(example), ["host", "7"]);
                }
            }
        }
        assert!(run.len() > 12, "{run:?}");
        Ok(())
    }

    fn the_session_of_the_readme_works() -> Result<(), Stop> {
        installed("nc", "netcat-openbsd")?;
        let page = include_str!("../../../README.md");
        let (_, block) = page.split_once("A session with it").unwrap();
        let (_, block) = block.split_once("```console\n").unwrap();
        let (block, _) = block.split_once("```").unwrap();
        let commands: Vec<_> = block.split("$ ").skip(1).collect();
        assert!(commands.len() >= 3, "{block}");
        let session = Session::start("readme");
        for text in commands {
            let (command, expected) = text.split_once('\n').unwrap();
            let command =
                command.replace("cargo run -q --release --bin echo-client", "echo-client");
            let printed = session.run(&command, ["localhost", "18080"]);
            assert_eq!(printed.trim_end(), expected.trim_end(), "{command}");
        }
        Ok(())
    }

    fn pages(name: &str) -> Folder {
        let folder = Folder::new(name);
        client(&["--manual", folder.0.to_str().unwrap()]);
        folder
    }

    fn there_is_a_manual_page_for_each_mode() -> Result<(), Stop> {
        let folder = pages("pages");
        let names = MODES.map(|mode| format!("echo-client-{mode}.1"));
        for name in names.iter().map(String::as_str).chain(["echo-client.1"]) {
            let page = fs::read_to_string(folder.0.join(name)).unwrap();
            for part in ["SH NAME", "SH OPTIONS", "SH EXAMPLES", "SH EXIT STATUS"] {
                assert!(page.contains(part), "{name}: {part}: {page}");
            }
        }
        let whole = fs::read_to_string(folder.0.join("echo-client.1")).unwrap();
        assert_eq!(client(&["--manual"]), whole);
        Ok(())
    }

    fn installed(program: &str, package: &str) -> Result<(), Stop> {
        match Command::new(program).arg("--version").output() {
            Ok(_) => Ok(()),
            Err(_) => Err(Stop::no_program(program, package)),
        }
    }

    fn each_page(folder: &Folder, mut look: impl FnMut(&str, &mut Command) -> Output) {
        let mut count = 0;
        for file in fs::read_dir(&folder.0).unwrap() {
            let path = file.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            let mut command = Command::new("sh");
            let output = look(name, command.current_dir(&folder.0));
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success() && said.is_empty(), "{name}: {said}");
            count += 1;
        }
        assert_eq!(count, 1 + MODES.len());
    }

    fn man_renders_the_pages_without_warnings() -> Result<(), Stop> {
        installed("man", "man-db")?;
        each_page(&pages("man"), |name, command| {
            let script = "LC_ALL=C.UTF-8 MANWIDTH=80 man --warnings -l \"$0\" | cat";
            let output = command.args(["-c", script, name]).output().unwrap();
            let text = String::from_utf8_lossy(&output.stdout);
            assert!(text.contains("EXAMPLES"), "{name}: {text}");
            let wide = text.lines().find(|line| line.chars().count() > 80);
            assert_eq!(wide, None, "{name}");
            output
        });
        Ok(())
    }

    fn mandoc_finds_no_fault_in_the_pages() -> Result<(), Stop> {
        installed("mandoc", "mandoc")?;
        each_page(&pages("mandoc"), |name, command| {
            let script = "mandoc -T lint -W warning \"$0\" >&2";
            command.args(["-c", script, name]).output().unwrap()
        });
        Ok(())
    }

    /// Runs a script of a shell with the completions as `$1`, and returns what it prints.
    fn run_shell(shell: &str, options: &[&str], script: &str) -> String {
        let folder = Folder::new(shell);
        let file = folder.0.join("completions");
        fs::write(&file, client(&["--completions", shell])).unwrap();
        let output = Command::new(shell)
            .args(options)
            .args(["-c", script, "test"])
            .arg(&file)
            .env("HOME", &folder.0)
            .env("TERM", "dumb")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && said.is_empty(), "{said}");
        String::from_utf8(output.stdout).unwrap()
    }

    fn assert_completes(text: &str, words: &[&str]) {
        for word in words {
            assert!(text.contains(word), "{word}: {text}");
        }
    }

    fn bash_completes() -> Result<(), Stop> {
        let script = "bash -n \"$1\" && . \"$1\" && COMP_WORDS=(echo-client ping --) COMP_CWORD=2 && \
                      $(complete -p echo-client | sed 's/.*-F //; s/ .*//') echo-client -- ping && echo ${COMPREPLY[@]}";
        let text = run_shell("bash", &["--norc"], script);
        assert_completes(&text, &["--interval", "--count", "--timeout"]);
        Ok(())
    }

    fn zsh_takes_the_completions() -> Result<(), Stop> {
        installed("zsh", "zsh")?;
        let script = "zsh -n \"$1\" && autoload -U compinit && compinit -u -D && . \"$1\" && \
                      echo ${_comps[echo-client]}";
        let text = run_shell("zsh", &["-f"], script);
        assert_completes(&text, &["_echo-client"]);
        Ok(())
    }

    fn fish_completes() -> Result<(), Stop> {
        installed("fish", "fish")?;
        // fish has no place for the name of a script.
        let script = "fish -n $argv[2]; and source $argv[2]; and complete -C 'echo-client ping --'";
        let text = run_shell("fish", &["--no-config"], script);
        assert_completes(&text, &["--interval", "--count", "--timeout"]);
        Ok(())
    }

    fn there_are_completions_for_shells_that_debian_lacks() -> Result<(), Stop> {
        for shell in ["elvish", "powershell"] {
            let text = client(&["--completions", shell]);
            assert_completes(&text, &["--interval", "--count", "ping"]);
        }
        let mut command = Command::new(PROGRAM);
        let wrong = command.args(["--completions", "csh"]).output().unwrap();
        assert_eq!(wrong.status.code(), Some(2));
        Ok(())
    }
}
