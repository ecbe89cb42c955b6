//! Faults of the server itself, and of what stands in front of it.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::time::Instant;

use linecho_trials::Stop;
use linecho_trials::process::{Running, executable};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::client::Client;
use crate::network::{Network, SERVER, serve, wait_for};

const TIMEOUT: &str = "--timeout=3s";

/// A SYN proxy of Linux, which answers for a server that may be down.
pub(crate) fn a_server_that_is_down_behind_a_syn_proxy() -> Result<(), Stop> {
    let network = Network::new()?;
    network.filter(
        "-t raw -A PREROUTING -i c1 -p tcp --syn -j CT --notrack
         -A FORWARD -i c1 -p tcp -m conntrack --ctstate INVALID,UNTRACKED -j SYNPROXY --mss 1460
         -A FORWARD -m conntrack --ctstate INVALID -j DROP",
    )?;
    network
        .router
        .run("echo 0 >/proc/sys/net/netfilter/nf_conntrack_tcp_loose");
    let (server, address) = network.serve()?;
    let mut client = Client::start(address, &[TIMEOUT])?;
    client.echo(b"it is no hindrance to a server that is up\n");
    drop(client);

    drop(server);
    network.server.run("ip link set s0 down");
    let mut client = Client::start(address, &[TIMEOUT])?;
    client.send(b"one\n");
    client.assert_fails(&[
        "line 1, byte 1: nothing came back for 3s: the other end's window is closed (0 bytes)",
        "the handshake was answered with a closed window, and nothing since: something answers in \
         place of a server that is down (a SYN proxy)\n",
    ]);
    Ok(())
}

/// It is stopped, and its kernel goes on.
pub(crate) fn a_server_that_hangs() -> Result<(), Stop> {
    let network = Network::new()?;
    let (server, address) = network.serve()?;
    let mut first = Client::start(address, &[TIMEOUT])?;
    first.echo(b"one\n");
    kill(Pid::from_raw(server.0.id().cast_signed()), Signal::SIGSTOP).unwrap();
    first.send(b"two\n");
    first.assert_fails(&[
        "line 2, byte 1: nothing came back for 3s: everything that was sent is acknowledged: the \
         other end has it and stopped answering\n",
    ]);
    let mut second = Client::start(address, &[TIMEOUT])?;
    second.send(b"one\n");
    second.assert_fails(&[
        "line 1, byte 1: nothing came back for 3s: everything that was sent is acknowledged, so a \
         TCP at the other end has it, but nothing answers",
    ]);
    Ok(())
}

/// A client that vanishes has reset nothing.
pub(crate) fn a_client_that_vanishes() -> Result<(), Stop> {
    let network = Network::new()?;
    let program = executable("echo-server")?;
    let mut command = network.server.command(&program.display().to_string());
    command.args(["--keep-alive=1s", "--listen", &format!("{SERVER}:7")]);
    let (mut server, address) = serve(command.stderr(Stdio::piped()))?;
    let log = BufReader::new(server.0.stderr.take().unwrap());
    let mut client = Client::start(address, &["--keep-alive=0s"])?;
    client.echo(b"one\n");
    network.filter("-A FORWARD -j DROP")?;
    let mut closed = log.lines().map_while(Result::ok);
    let closed = closed.find(|line| line.contains(" closed "));
    let closed = closed.expect("it is closed, and logged");
    assert!(closed.contains("reason=\"failed (TimedOut)\""), "{closed}");
    Ok(())
}

/// Its kernel closes its connections, and the input of the client is open.
pub(crate) fn a_server_that_is_killed() -> Result<(), Stop> {
    let network = Network::new()?;
    for line in [None, Some(b"one\n")] {
        let (server, address) = network.serve()?;
        // It has all the time that it wants.
        let mut client = Client::start(address, &["--timeout=0s"])?;
        match line {
            Some(line) => client.echo(line),
            None => wait_for("a connection", || sockets().contains("ESTAB")),
        }
        drop(server);
        let began = Instant::now();
        client.assert_fails(&["echo-client: the server has closed the connection\n"]);
        println!("told after {:?}", began.elapsed());
    }
    Ok(())
}

/// A server in Python that does this with its listening socket `s`.
fn python(network: &Network, script: &str) -> Result<(Running, SocketAddr), Stop> {
    if Command::new("python3").arg("--version").output().is_err() {
        return Err(Stop::no_program("python3", "python3"));
    }
    let script = format!(
        "import socket, time
s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
s.bind(('{SERVER}', 7))
s.listen(0)
print('listening {SERVER}:7', flush=True)
{script}"
    );
    let mut command = network.server.command("python3");
    command.args(["-c", &script]);
    serve(&mut command)
}

/// Its queue of new connections is full, and its kernel forgets the last step of a handshake.
pub(crate) fn a_server_that_hangs_before_it_accepts() -> Result<(), Stop> {
    let network = Network::new()?;
    let (_server, address) = python(&network, "time.sleep(600)")?;
    // One connection fits into a queue of length 0, and that is full only when the last step of its
    // handshake has come.
    network.filter("-A FORWARD -i c1 -p tcp ! --syn -j DROP")?;
    let mut clients = Vec::new();
    for _ in 0..3 {
        let mut client = Client::start(address, &["--timeout=4s"])?;
        client.send(b"one\n");
        clients.push(client);
    }
    wait_for("three handshakes", || {
        sockets().matches("ESTAB").count() == 3
    });
    network.filter("-F FORWARD")?;
    let ends: Vec<_> = clients.into_iter().map(Client::fails).collect();
    // It may send the second step of the handshake again, or not.
    let full = "its queue of new connections is full";
    assert!(ends.iter().any(|text| text.contains(full)), "{ends:?}");
    Ok(())
}

/// The connections of the client's namespace with their timers.
fn sockets() -> String {
    let output = Command::new("ss")
        .args(["--tcp", "--options", "--numeric"])
        .output();
    let output = output.expect("it is of iproute2");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

pub(crate) fn a_server_that_does_not_read() -> Result<(), Stop> {
    let network = Network::new()?;
    let (_server, address) = python(&network, "peer, _ = s.accept()\ntime.sleep(600)")?;
    let mut client = Client::start(address, &[TIMEOUT])?;
    client.send(&b"a line that nobody reads\n".repeat(2000));
    client.assert_fails(&[
        "nothing came back for 3s: the other end's window is closed (0 bytes) with ",
        " left to send: the other end acknowledges, but the server does not read\n",
    ]);
    Ok(())
}

pub(crate) fn a_server_that_did_not_read_and_went() -> Result<(), Stop> {
    let network = Network::new()?;
    let (_server, address) = python(&network, "peer, _ = s.accept()\ntime.sleep(600)")?;
    let mut client = Client::start(address, &[TIMEOUT])?;
    client.send(&b"a line that nobody reads\n".repeat(2000));
    wait_for("a closed window", || sockets().contains("persist"));
    network.filter("-A FORWARD -j DROP")?;
    client.assert_fails(&[
        "nothing came back for 3s: the other end's window is closed (0 bytes) with ",
        " probes of the window got no answer: the server did not read, and then it or the way to it",
    ]);
    Ok(())
}
