//! A client and a server, and a router between them: three namespaces, of which the client's is
//! that of the test.

use std::fs;
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use linecho_trials::Stop;
use linecho_trials::process::{PATIENCE, Running, executable, listening_address};

/// The server's address, behind the router.
pub(crate) const SERVER: &str = "10.0.2.2";

/// A namespace of its own, as long as this lives.
pub(crate) struct Host(Running);

impl Host {
    fn new() -> Result<Self, Stop> {
        let mut command = Command::new("unshare");
        command.args(["--net", "sleep", "infinity"]);
        let process = command.stdin(Stdio::null()).spawn();
        let process = process.map_err(|_| Stop::no_program("unshare", "util-linux"))?;
        let host = Self(Running(process));
        // It begins in ours.
        let own = fs::read_link("/proc/self/ns/net").unwrap();
        wait_for("a namespace", || {
            fs::read_link(host.path()).is_ok_and(|its| its != own)
        });
        Ok(host)
    }

    fn path(&self) -> String {
        format!("/proc/{}/ns/net", self.0.0.id())
    }

    /// A command in the namespace.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command
            .arg(format!("--net={}", self.path()))
            .arg("--")
            .arg(program)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command
    }

    /// Runs the lines of a script for sh in the namespace.
    pub(crate) fn run(&self, script: &str) {
        run(self.command("sh"), script).unwrap();
    }
}

/// Runs the lines of a script in the client's namespace.
pub(crate) fn run_here(script: &str) {
    run(Command::new("sh"), script).unwrap();
}

fn run(mut shell: Command, script: &str) -> Result<(), String> {
    let output = shell.args(["-e", "-c", script]).output();
    let output = output.map_err(|error| error.to_string())?;
    match output.status.success() {
        true => Ok(()),
        false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
    }
}

/// Waits until `is_so`, within the limit.
#[track_caller]
pub(crate) fn wait_for(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < PATIENCE, "not within time: {what}");
        thread::sleep(Duration::from_millis(10));
    }
}

/// The client's interface `c0` (10.0.1.2), the router's `c1` and `s1`, the server's `s0`.
pub(crate) struct Network {
    pub(crate) router: Host,
    pub(crate) server: Host,
}

impl Network {
    /// Connects the three, or says what this machine lacks.
    pub(crate) fn new() -> Result<Self, Stop> {
        for (tool, package) in [("ip", "iproute2"), ("iptables", "iptables")] {
            if Command::new(tool).arg("--version").output().is_err() {
                return Err(Stop::no_program(tool, package));
            }
        }
        let (router, server) = (Host::new()?, Host::new()?);
        let (router_pid, server_pid) = (router.0.0.id(), server.0.0.id());
        run_here(&format!(
            "ip link add c0 type veth peer name c1 netns {router_pid}
             ip addr add 10.0.1.2/24 dev c0
             ip link set c0 up"
        ));
        router.run(&format!(
            "ip link add s1 type veth peer name s0 netns {server_pid}
             ip addr add 10.0.1.1/24 dev c1
             ip addr add 10.0.2.1/24 dev s1
             ip link set c1 up
             ip link set s1 up
             echo 1 >/proc/sys/net/ipv4/ip_forward"
        ));
        server.run(
            "ip addr add 10.0.2.2/24 dev s0
             ip link set lo up
             ip link set s0 up
             ip route add default via 10.0.2.1",
        );
        run_here("ip route add default via 10.0.1.1");
        Ok(Self { router, server })
    }

    /// Runs rules of iptables, one a line, in the router.
    pub(crate) fn filter(&self, rules: &str) -> Result<(), Stop> {
        let rules = rules.lines().map(|rule| format!("iptables {rule}\n"));
        let script: String = rules.collect();
        let result = run(self.router.command("sh"), &script);
        result.map_err(|error| Stop::Skipped {
            why: format!("iptables cannot do this here: {}", error.trim()),
            enable: "modprobe -a ip_tables nf_conntrack nf_nat ipt_SYNPROXY".into(),
        })
    }

    /// Starts `echo-server` on the server.
    pub(crate) fn serve(&self) -> Result<(Running, SocketAddr), Stop> {
        let program = executable("echo-server")?;
        let mut command = self.server.command(&program.display().to_string());
        command.args(["--quiet", "--listen", &format!("{SERVER}:7")]);
        serve(&mut command)
    }
}

/// Starts a server that says where it listens.
pub(crate) fn serve(command: &mut Command) -> Result<(Running, SocketAddr), Stop> {
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    let process = command.spawn();
    let process: Child = process.map_err(|error| Stop::Failed(error.to_string()))?;
    let mut running = Running(process);
    let address = listening_address(&mut running.0);
    let address = address.map_err(|error| Stop::Failed(error.to_string()))?;
    Ok((running, address))
}
