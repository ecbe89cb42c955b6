//! Sockets that refuse options which the programs would like to set.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};

use linecho_trials::Stop;
use linecho_trials::process::{Running, executable, listening_addresses};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::client::Client;

/// TCP connects to itself when the kernel picks the server's port for the client: with two ports to
/// choose from, about every second time.
pub(crate) fn a_server_that_would_be_the_client_itself() -> Result<(), Stop> {
    fs::write("/proc/sys/net/ipv4/ip_local_port_range", "50000 50001").unwrap();
    let address: SocketAddr = "127.0.0.1:50000".parse().unwrap();
    // So it is with a socket of the standard library.
    let is_own = || {
        let stream = TcpStream::connect(address);
        stream.is_ok_and(|it| it.local_addr().unwrap() == it.peer_addr().unwrap())
    };
    assert!((0..200).any(|_| is_own()), "it does not happen here");
    for _ in 0..100 {
        let mut client = Client::start(address, &[])?;
        // It may have ended.
        client.try_send(b"one\n");
        let text = client.fails();
        assert!(text.to_lowercase().contains("connection refused"), "{text}");
        assert!(
            text.contains("echo-server --listen 127.0.0.1:50000"),
            "{text}"
        );
    }
    Ok(())
}

/// MPTCP sockets refuse some options.
pub(crate) fn both_programs_work_under_mptcpize() -> Result<(), Stop> {
    let lacking = || Stop::no_program("mptcpize", "mptcpize");
    let run = |program: &Path| {
        let mut command = Command::new("mptcpize");
        command.arg("run").arg(program);
        command
    };
    let mut command = run(&executable("echo-server")?);
    command.args(["--quiet", "--listen", "127.0.0.1:0"]);
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    let mut server = Running(command.spawn().map_err(|_| lacking())?);
    let address = listening_addresses(&mut server.0, 1).unwrap()[0];
    for source in [None, Some("--source=127.0.0.1")] {
        let mut command = run(&executable("echo-client")?);
        let client = Client::of(command.args(source).arg(address.to_string()))?;
        client.assert_works();
    }
    Ok(())
}

/// All that a program sets is a nicety: it serves without.
pub(crate) fn each_option_may_be_refused() -> Result<(), Stop> {
    let refusing = |which: &str, program: &Path| {
        let inject = format!("inject=setsockopt:error=ENOPROTOOPT{which}");
        let mut command = Command::new("strace");
        command.args(["-f", "-qq", "-o", "/dev/null", "-e", "trace=setsockopt"]);
        command.args(["-e", &inject]).arg(program);
        command
    };
    let (echo_server, echo_client) = (executable("echo-server")?, executable("echo-client")?);
    // One after the other, and then all. Both programs set fewer than twelve.
    let each = (1..=12).map(|number| format!(":when={number}"));
    for which in each.chain([String::new()]) {
        let mut command = refusing(&which, &echo_server);
        command.args(["--listen=127.0.0.1:0,[::1]:0", "--workers=1"]);
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let server = command.stderr(Stdio::null()).spawn();
        let server = server.map_err(|_| Stop::no_program("strace", "strace"))?;
        let mut server = Traced(Running(server));
        let addresses = listening_addresses(&mut server.0.0, 2);
        let addresses = addresses
            .map_err(|error| Stop::Failed(format!("the server without option{which}: {error}")))?;
        for address in addresses {
            let mut command = refusing(&which, &echo_client);
            command.arg(format!("--source={}", address.ip()));
            Client::of(command.arg(address.to_string()))?.assert_works();
        }
    }
    Ok(())
}

/// A tracer, which does not end its child when it is killed.
struct Traced(Running);

impl Drop for Traced {
    fn drop(&mut self) {
        let pid = self.0.0.id();
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
        for child in children.unwrap_or_default().split_whitespace() {
            // It fails only for a child that has ended.
            let _ = child
                .parse()
                .map(|pid| kill(Pid::from_raw(pid), Signal::SIGTERM));
        }
    }
}
