//! Servers on UNIX sockets.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::kit::*;
use crate::terminal::Terminal;

/// A folder that is deleted when this is dropped.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let name = format!("linecho-client-{}-{name}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        fs::create_dir(&folder).unwrap();
        Self(folder)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn address(path: &Path) -> String {
    format!("unix:{}", path.display())
}

#[test]
fn each_mode_takes_a_path() {
    let folder = Folder::new("modes");
    let address = address(&folder.path("echo.sock"));
    let _server = Process::start_on_path(&address);

    let output = run(command().arg(&address), b"x\ny");
    assert_eq!(
        (output.status.code(), &*output.stdout),
        (Some(0), &b"x\ny"[..])
    );
    for (words, told) in [
        (&["send", "hello"][..], "hello\n"),
        (&["wait"], " echoes after "),
        (
            &["ping", "-c", "3", "-i", "0.01"],
            "3 sent, 3 echoed, 0 lost",
        ),
        (&["load", "-c", "4", "-n", "500"], "500 lines verified"),
    ] {
        let output = run(command().arg(&address).args(words), b"");
        let text = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(0), "{words:?}: {text}");
        assert!(text.contains(told), "{words:?}: {text}");
    }
    let output = run(command().args(["--json", &address, "wait"]), b"");
    assert_eq!(last_object(&output)["peer"], address);

    let mut terminal = Terminal::start(&address);
    terminal.wait_for(&format!("Connected to {address}."));
    terminal.wait_for("> ");
    terminal.keys(b"by hand\r");
    terminal.wait_for("by hand   (");
    terminal.end(0);
}

#[cfg(target_os = "linux")]
#[test]
fn a_name_may_be_abstract() {
    let address = format!("unix:@linecho-client-{}", std::process::id());
    let _server = Process::start_on_path(&address);
    let output = run(command().args([&address, "send", "hello"]), b"");
    assert_eq!(output.stdout, b"hello\n");
}

#[test]
fn what_is_wrong_with_a_path_is_told_in_words() {
    let folder = Folder::new("wrong");
    let wrong = |name: &str, parts: &[&str]| {
        let address = address(&folder.path(name));
        assert_fails(&[&address, "send", "x"], 1, parts);
    };
    wrong(
        "none",
        &["there is no such socket", "echo-server --listen unix:"],
    );
    fs::write(folder.path("file"), "").unwrap();
    wrong("file", &["a file, and not a socket"]);
    drop(UnixListener::bind(folder.path("stale")).unwrap());
    wrong(
        "stale",
        &[
            "nobody listens on it any more",
            "echo-server --listen unix:",
        ],
    );
    wrong(&"long".repeat(30), &["path must be shorter"]);

    let path = folder.path("secret");
    let _listener = UnixListener::bind(&path).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o0)).unwrap();
    let output = run(
        unprivileged(&folder).args([&address(&path), "send", "x"]),
        b"",
    );
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert!(
        error.contains("the right to write to the socket"),
        "{error}"
    );
}

/// The program as a user who may not do everything.
fn unprivileged(folder: &Folder) -> Command {
    if !nix::unistd::Uid::effective().is_root() {
        return command();
    }
    // That user may not search the folder where it is.
    let copy = folder.path("echo-client");
    fs::copy(env!("CARGO_BIN_EXE_echo-client"), &copy).unwrap();
    let mut command = Command::new(copy);
    command.env_clear().uid(65534).gid(65534);
    command
}

#[test]
fn what_is_for_tcp_alone_is_wrong_usage() {
    for (words, part) in [
        (&["unix:/none", "check"][..], "check is about TCP"),
        (&["-4", "unix:/none"], "-4 is for TCP"),
        (
            &["--source", "127.0.0.1", "unix:/none"],
            "--source is for TCP",
        ),
        (
            &["--send-proxy", "v2", "unix:/none"],
            "--send-proxy is for TCP",
        ),
        (
            &["load", "--spread", "2", "unix:/none"],
            "--spread is for TCP",
        ),
        (&["/run/echo.sock"], "unix:/run/echo.sock"),
        (&["unix:"], "a path comes after"),
    ] {
        assert_fails(words, 2, &[part]);
    }
}
