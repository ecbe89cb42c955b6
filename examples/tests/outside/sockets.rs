//! Sockets of other kinds, and calls for them that fail.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::process::Command;
use std::thread;

use linecho_std::{Listener, Server};
use linecho_trials::Stop;
use linecho_trials::process::listening_addresses;
use socket2::{Domain, Protocol, SockRef, Socket, Type};

use crate::kit::{PROGRAM, connect, echo, free_port, installed, line, log, start};

pub(crate) fn accept_that_always_fails_is_not_called_without_a_pause() -> Result<(), Stop> {
    let strace = installed("strace", "strace")?;
    // Enough for some pauses, which are 0.35 s together.
    const FAILURES: u32 = 70;
    for error in [
        "EINTR",
        "ECONNABORTED",
        "ENETDOWN",
        "EHOSTUNREACH",
        "ENETUNREACH",
    ] {
        let inject = format!("inject=accept4:error={error}:when=1..{FAILURES}");
        let mut command = Command::new(&strace);
        command.args([
            "-f",
            "-qq",
            "-o",
            "/dev/null",
            "-e",
            "trace=accept4",
            "-e",
            &inject,
        ]);
        command
            .args([PROGRAM, "--listen", "127.0.0.1:0", "--workers", "1"])
            .env_clear();
        let mut server = start(&mut command);
        let log = log(&mut server);
        let address = match listening_addresses(&mut server.0, 1) {
            Ok(addresses) => addresses[0],
            Err(_) => {
                let why = log.recv().unwrap_or_default();
                return Err(Stop::skipped(why, "sysctl kernel.yama.ptrace_scope=0"));
            }
        };
        let mut peer = connect(address);
        let pause = line(&log, "cannot accept");
        assert!(pause.contains(&address.to_string()), "{pause}");
        echo(&mut peer, b"served in the end\n");
        // The tracer does not end its child when it is killed.
        let pid = server.0.id().to_string();
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
        for child in children.split_whitespace() {
            let pid = nix::unistd::Pid::from_raw(child.parse().unwrap());
            nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
        }
        server.0.wait().unwrap();
    }
    Ok(())
}

/// A program under `mptcpize run` gets such sockets. They refuse `SO_OOBINLINE`.
pub(crate) fn mptcp_sockets_are_served() -> Result<(), Stop> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::MPTCP));
    let socket = socket.map_err(|error| {
        Stop::skipped(
            format!("no MPTCP socket: {error}"),
            "sysctl net.mptcp.enabled=1",
        )
    })?;
    assert!(SockRef::from(&socket).set_out_of_band_inline(true).is_err());
    let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
    socket.bind(&any.into()).unwrap();
    socket.listen(1).unwrap();
    let listener = Listener::from(TcpListener::from(socket));
    let server = Server::builder().on([listener]).unwrap();
    let (address, handle) = (server.addresses()[0], server.handle());
    let running = thread::spawn(|| server.run().unwrap());
    echo(&mut connect(address), b"served all the same\n");
    handle.shutdown();
    running.join().unwrap();
    Ok(())
}

pub(crate) fn systemd_socket_activate_starts_it() -> Result<(), Stop> {
    let activate = installed("systemd-socket-activate", "systemd")?;
    let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
    let mut command = Command::new(activate);
    command.args(["-l", &address.to_string(), "--fdname", "web", PROGRAM, "-v"]);
    let mut server = start(&mut command);
    let log = log(&mut server);
    echo(&mut connect(address), b"hello\n");
    assert!(line(&log, "opened").contains("listener=web"));
    Ok(())
}
