//! Names that nobody resolves in time.

use std::fs;
use std::net::UdpSocket;
use std::process::{Command, Stdio};

use linecho_trials::Stop;
use linecho_trials::process::{executable, wait};

/// A resolver that would be waited for many minutes.
const RESOLVER: &str = "nameserver 127.0.0.53\noptions timeout:30 attempts:5\n";

pub(crate) fn a_resolver_that_is_silent() -> Result<(), Stop> {
    let folder = std::env::temp_dir().join(format!("linecho-resolver-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let file = folder.join("resolv.conf");
    fs::write(&file, RESOLVER).unwrap();
    let silent = UdpSocket::bind("127.0.0.53:53").unwrap();
    let client = executable("echo-client")?;

    let modes = [
        "--timeout=1s",
        "--timeout=1s send hello",
        "wait --for 1s",
        "--timeout=1s ping -c 1",
        "check --limit 1s",
        "--timeout=1s check",
        "--connect-timeout=1s load -d 1s",
    ];
    for mode in modes {
        // In a mount namespace, so that nobody else sees the file.
        let script = "mount --bind \"$0\" /etc/resolv.conf || exit 77; exec \"$@\"";
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-c", script]);
        command.arg(&file).arg(&client).env("LANG", "C");
        command.arg("name.example:7");
        command.args(mode.split_whitespace());
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let mut process = command.stderr(Stdio::piped()).spawn().unwrap();
        wait(&mut process).unwrap();
        let output = process.wait_with_output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&text);
        if output.status.code() == Some(77) {
            return Err(Stop::lacking(&text));
        }
        assert_eq!(output.status.code(), Some(1), "{mode}: {text}");
        let part = "the name look-up got no answer within ";
        assert!(text.contains(part), "{mode}: {text}");
    }
    // It was asked.
    silent.set_nonblocking(true).unwrap();
    assert!(silent.recv(&mut [0; 512]).is_ok());
    fs::remove_dir_all(folder).unwrap();
    Ok(())
}
