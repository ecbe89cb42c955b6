//! `--identify`: one line of JSON that says who answers, before the first echo.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::process::Stdio;

use linecho_std::Identity;

use crate::kit::*;

/// Sends a line and a rest. Returns the identity, and what came behind it.
fn greeted(mut stream: TcpStream) -> (Option<Identity>, Vec<u8>) {
    stream.write_all(b"x\ny").unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut came = Vec::new();
    stream.read_to_end(&mut came).unwrap();
    split(came)
}

fn split(came: Vec<u8>) -> (Option<Identity>, Vec<u8>) {
    let end = came.iter().position(|&byte| byte == b'\n').unwrap() + 1;
    match Identity::parse(&came[..end]) {
        Some(identity) => (Some(identity), came[end..].to_vec()),
        None => (None, came),
    }
}

#[test]
fn it_is_off_unless_it_is_asked_for() {
    let mut named = command();
    named.args(["--listen", "127.0.0.1:0"]);
    let server = Server::start_command(named.env("LINECHO_NAME", "pod-1"), 1);
    assert_eq!(greeted(server.connect()), (None, b"x\ny".to_vec()));
}

#[test]
fn the_name_is_given_or_that_of_the_pod_or_the_host() {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    for (variables, arguments, name) in [
        (
            &[("POD_NAME", "pod")][..],
            &["--name", "given"][..],
            "given",
        ),
        (&[("POD_NAME", "pod"), ("LINECHO_NAME", "set")], &[], "set"),
        (&[("POD_NAME", "pod")], &[], "pod"),
        (&[("POD_NAME", "")], &[], host.trim()),
    ] {
        let mut command = command();
        command.envs(variables.iter().copied()).args(arguments);
        command.args(["--listen", "127.0.0.1:0", "--identify"]);
        let server = Server::start_command(&mut command, 1);
        let (identity, echo) = greeted(server.connect());
        let backend = identity.unwrap().backend;
        assert_eq!(echo, b"x\ny");
        if !name.is_empty() {
            assert_eq!(backend.name, name);
        }
        assert_eq!(backend.address, server.addresses[0].to_string());
    }
}

#[test]
fn a_peer_on_pipes_is_greeted() {
    let mut process = command()
        .args(["--stdio", "--identify", "--name", "pod-1", "--quiet"])
        .env("REMOTE_ADDR", "192.0.2.1")
        .env("REMOTE_PORT", "7")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    process.stdin.take().unwrap().write_all(b"x\ny").unwrap();
    let status = wait(&mut process).unwrap();
    let output = process.wait_with_output().unwrap();
    let (identity, echo) = split(output.stdout);
    let identity = identity.unwrap();
    assert_eq!((status.code(), &*echo), (Some(0), &b"x\ny"[..]));
    assert_eq!(
        (&*identity.peer, &*identity.backend.address),
        ("192.0.2.1:7", "stdin")
    );
}

#[test]
fn a_peer_on_a_socket_is_greeted_with_its_addresses() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = connect(listener.local_addr().unwrap());
    let (accepted, peer) = listener.accept().unwrap();
    let accepted = OwnedFd::from(accepted);
    let mut process = command()
        .args(["--stdio", "--identify", "--name", "pod-1", "--quiet"])
        .stdin(accepted.try_clone().unwrap())
        .stdout(accepted)
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let (identity, echo) = greeted(client);
    let identity = identity.unwrap();
    assert_eq!(echo, b"x\ny");
    assert_eq!(identity.peer, peer.to_string());
    let local = listener.local_addr().unwrap().to_string();
    assert_eq!(identity.backend.address, local);
    assert_eq!(wait(&mut process).unwrap().code(), Some(0));
}
