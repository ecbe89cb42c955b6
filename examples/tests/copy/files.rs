//! Each file is short, and talks to programs of other people.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::process::{Command, ExitCode, Stdio};
use std::sync::mpsc;
use std::thread;

use linecho_trials::process::{PATIENCE, Running, cargo, listening_address};
use linecho_trials::{Stop, conclude, trials};
use nix::pty::openpty;
use nix::sys::termios::{SetArg, cfmakeraw, tcgetattr, tcsetattr};
use nix::unistd::ttyname;

const MOST_LINES: usize = 40;

/// A peer that sends ten thousand lines of all lengths up to 200, half-closes, and checks what
/// comes back.
const PYTHON_CLIENT: &str = "
import random, socket, sys, threading
peer = socket.create_connection(('127.0.0.1', int(sys.argv[1])), timeout=60)
generator = random.Random(7)
lines = [generator.randbytes(generator.randrange(200)).replace(b'\\n', b'\\r') for _ in range(10_000)]
text = b'\\n'.join(lines)
sender = threading.Thread(target=lambda: (peer.sendall(text), peer.shutdown(socket.SHUT_WR)))
sender.start()
back = b''
while piece := peer.recv(65536):
    back += piece
sender.join()
assert back == text, f'{len(text)} bytes sent, {len(back)} came back'
";

/// An echo of bytes, as a server of other people.
const PYTHON_SERVER: &str = "
import socket
server = socket.create_server(('127.0.0.1', 0))
print('listening 127.0.0.1:%d' % server.getsockname()[1], flush=True)
peer, _ = server.accept()
while piece := peer.recv(65536):
    peer.sendall(piece)
";

pub(crate) fn main() -> ExitCode {
    conclude(trials![
        each_is_short,
        echo_blocking,
        echo_polled,
        echo_smoltcp,
        echo_smoltcp_over_a_socket_pair,
        echo_tokio,
        echo_uart,
        probe,
    ])
}

fn each_is_short() -> Result<(), Stop> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/examples");
    let mut names: Vec<_> = fs::read_dir(folder)
        .expect("it is there")
        .map(|entry| entry.expect("it can be listed").path())
        .collect();
    names.sort();
    for path in &names {
        let lines = fs::read_to_string(path)
            .expect("it is text")
            .lines()
            .count();
        assert!(lines <= MOST_LINES, "{}: {lines} lines", path.display());
    }
    // Each has a test here.
    assert_eq!(names.len(), 6, "{names:?}");
    Ok(())
}

fn echo_blocking() -> Result<(), Stop> {
    serves("echo_blocking")
}

fn echo_polled() -> Result<(), Stop> {
    serves("echo_polled")
}

fn echo_tokio() -> Result<(), Stop> {
    serves("echo_tokio")
}

/// The server talks to netcat, and to two Pythons at a time.
fn serves(name: &str) -> Result<(), Stop> {
    let mut server = start(example(name)?.arg("127.0.0.1:0"))?;
    let address = listening_address(&mut server.0).map_err(failed)?;
    let port = address.port().to_string();
    let python = || {
        let mut python = command("python3", "python3")?;
        let started = python.args(["-c", PYTHON_CLIENT, &port]).spawn();
        Ok::<_, Stop>(Running(started.map_err(failed)?))
    };
    let mut peers = [python()?, python()?];
    let mut netcat = command("nc", "netcat-openbsd")?;
    netcat.args(["-N", "127.0.0.1", &port]);
    assert_eq!(output_of(&mut netcat, b"x\ny"), b"x\ny");
    for peer in &mut peers {
        assert!(peer.0.wait().map_err(failed)?.success());
    }
    Ok(())
}

fn echo_smoltcp() -> Result<(), Stop> {
    let output = String::from_utf8(output_of(&mut example("echo_smoltcp")?, b"")).expect("text");
    assert!(
        output.contains("opened") && output.contains("hello: "),
        "{output}"
    );
    Ok(())
}

fn echo_smoltcp_over_a_socket_pair() -> Result<(), Stop> {
    crate::smoltcp::talk_to_a_plain_socket();
    Ok(())
}

/// A pseudo-terminal is a serial port whose other end is here.
fn echo_uart() -> Result<(), Stop> {
    let pair = openpty(None, None).map_err(failed)?;
    let mut settings = tcgetattr(&pair.slave).map_err(failed)?;
    cfmakeraw(&mut settings);
    tcsetattr(&pair.slave, SetArg::TCSANOW, &settings).map_err(failed)?;
    let path = ttyname(&pair.slave).map_err(failed)?;
    let mut uart = start(example("echo_uart")?.arg(&path))?;

    let mut here = fs::File::from(pair.master);
    let (sender, echoes) = mpsc::channel();
    let mut reader = here.try_clone().map_err(failed)?;
    thread::spawn(move || {
        let mut byte = [0];
        while reader.read_exact(&mut byte).is_ok() && sender.send(byte[0]).is_ok() {}
    });
    // Noise of 1,000 bytes without an end of line is dropped, up to the end of the line that it
    // ruins.
    let sent = [b"hello\n\x00\xff\n", &[0x55; 1000][..], b"ruined\nfine\n"].concat();
    here.write_all(&sent).map_err(failed)?;
    let expected = b"hello\n\x00\xff\nfine\n";
    let echo: Vec<_> = (expected.iter())
        .map_while(|_| echoes.recv_timeout(PATIENCE).ok())
        .collect();
    assert_eq!(
        echo.escape_ascii().to_string(),
        expected.escape_ascii().to_string()
    );

    // The port is unplugged.
    drop((here, pair.slave));
    let _ = uart.0.kill();
    Ok(())
}

fn probe() -> Result<(), Stop> {
    let mut python = command("python3", "python3")?;
    let mut server = start(python.args(["-c", PYTHON_SERVER]))?;
    let address: SocketAddr = listening_address(&mut server.0).map_err(failed)?;
    let mut probe = example("probe")?;
    probe
        .arg(address.to_string())
        .args(["hello", "two words", ""]);
    let output = String::from_utf8(output_of(&mut probe, b"")).expect("text");
    let heads: Vec<_> = output
        .lines()
        .filter_map(|line| line.split_once(": "))
        .collect();
    let lines: Vec<_> = heads.iter().map(|(line, _)| *line).collect();
    assert_eq!(lines, ["hello", "two words", ""], "{output}");
    Ok(())
}

/// A command that runs an example, built with the features of the whole workspace, as this test is.
fn example(name: &str) -> Result<Command, Stop> {
    let mut build = cargo("build")?;
    build.args(["--quiet", "--workspace", "--example", name]);
    if !build.status().map_err(failed)?.success() {
        return Err(failed(format_args!("{name} was not built")));
    }
    let program = std::env::current_exe().map_err(failed)?;
    // This test is in TARGET/PROFILE/deps.
    let profile = program
        .ancestors()
        .nth(2)
        .expect("it is in a target folder");
    Ok(Command::new(profile.join("examples").join(name)))
}

/// A program of the machine, if it has it.
fn command(name: &str, package: &str) -> Result<Command, Stop> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    match std::env::split_paths(&path).any(|folder| folder.join(name).is_file()) {
        true => Ok(Command::new(name)),
        false => Err(Stop::no_program(name, package)),
    }
}

fn start(command: &mut Command) -> Result<Running, Stop> {
    let started = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
    started.map(Running).map_err(failed)
}

/// Runs a program that must end well, with this as its input.
fn output_of(command: &mut Command, input: &[u8]) -> Vec<u8> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut process = command.spawn().expect("it can be started");
    let mut stdin = process.stdin.take().expect("it is piped");
    stdin.write_all(input).expect("it reads");
    drop(stdin);
    let output = process.wait_with_output().expect("it was started");
    assert!(output.status.success(), "{command:?}: {}", output.status);
    output.stdout
}

fn failed(error: impl std::fmt::Display) -> Stop {
    Stop::Failed(error.to_string())
}
