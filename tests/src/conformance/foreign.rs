//! Peers that are not ours: Python's socket module, and OpenBSD's `nc`.

use std::io::{self, ErrorKind, Write};
use std::net::SocketAddr;
use std::process::{Command, Output, Stdio};

use linecho_trials::Stop;

/// Several conversations of Python's socket module with the server at `address`.
///
/// # Errors
///
/// When there is no Python, or a byte did not come back as it should.
pub fn python(address: SocketAddr) -> Result<(), Stop> {
    let mut command = Command::new("python3");
    command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/peers/peer.py"));
    command.args([address.ip().to_string(), address.port().to_string()]);
    let output = run(&mut command, b"", "python3")?;
    if output.status.success() {
        Ok(())
    } else {
        Err(Stop::Failed(format!(
            "python: {}",
            String::from_utf8_lossy(&output.stderr)
        )))
    }
}

/// `printf 'x\ny' | nc -N HOST PORT`: all bytes come back, and it ends.
///
/// # Errors
///
/// When there is no such `nc`, or something else came back.
pub fn netcat(address: SocketAddr) -> Result<(), Stop> {
    let mut command = Command::new("timeout");
    command.args([
        "30",
        "nc",
        "-N",
        &address.ip().to_string(),
        &address.port().to_string(),
    ]);
    let package = "netcat-openbsd";
    for text in [&b"x\ny"[..], b"no newline", b"\r\n\0\xff\n\n", b""] {
        let output = run(&mut command, text, package)?;
        if output.status.code() == Some(127) || output.stderr.starts_with(b"nc: invalid option") {
            return Err(Stop::no_program("nc -N", package));
        }
        if !output.status.success() || output.stdout != text {
            return Err(Stop::Failed(format!(
                "{command:?} with {text:?} on stdin: {output:?}"
            )));
        }
    }
    Ok(())
}

fn run(command: &mut Command, input: &[u8], package: &str) -> Result<Output, Stop> {
    let output = || -> io::Result<Output> {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        if let Some(mut stdin) = child.stdin.take() {
            match stdin.write_all(input) {
                Err(error) if error.kind() != ErrorKind::BrokenPipe => return Err(error),
                _ => {}
            }
        }
        child.wait_with_output()
    };
    let mut output = output;
    output().map_err(|error| match error.kind() {
        ErrorKind::NotFound => Stop::no_program(&command.get_program().to_string_lossy(), package),
        _ => Stop::Failed(format!("{command:?}: {error}")),
    })
}
