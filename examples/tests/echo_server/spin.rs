//! The spin before a sleep, as the kernel tells of it: how often the server gave up its core to
//! wait, and the time that it spent on one.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use crate::kit::{PATIENCE, Server};

/// The lines that a client sends, each when the one before is back.
const LINES: u64 = 20;

/// The longest spin: whatever else this machine does, the next line comes before it is over.
const LONG: &str = "--spin=1s";

/// One task of the server.
struct Task {
    /// `S` when it sleeps.
    state: String,
    /// How often it gave up its core to wait for something.
    waits: u64,
}

/// All tasks of the server (`status`, `proc_pid_status(5)`).
fn tasks(server: &Server) -> Vec<Task> {
    let folder = format!("/proc/{}/task", server.process.id());
    let task = |entry: fs::DirEntry| {
        let status = fs::read_to_string(entry.path().join("status")).unwrap();
        let field = |name: &str| {
            let value = status.lines().find_map(|line| line.strip_prefix(name));
            value.unwrap().split_whitespace().next().unwrap().to_owned()
        };
        Task {
            state: field("State:"),
            waits: field("voluntary_ctxt_switches:").parse().unwrap(),
        }
    };
    let entries = fs::read_dir(folder).unwrap();
    entries.map(|entry| task(entry.unwrap())).collect()
}

fn waits(server: &Server) -> u64 {
    tasks(server).iter().map(|task| task.waits).sum()
}

/// The time that the server has spent on a core, in nanoseconds (`schedstat` of
/// each task, `Documentation/scheduler/sched-stats.rst` of the kernel).
fn time_on_core(server: &Server) -> u64 {
    let folder = format!("/proc/{}/task", server.process.id());
    let time = |entry: fs::DirEntry| -> u64 {
        let text = fs::read_to_string(entry.path().join("schedstat")).unwrap();
        text.split(' ').next().unwrap().parse().unwrap()
    };
    let entries = fs::read_dir(folder).unwrap();
    entries.map(|entry| time(entry.unwrap())).sum()
}

fn line(peer: &mut TcpStream) {
    let mut echo = [0; 2];
    peer.write_all(b"x\n").unwrap();
    peer.read_exact(&mut echo).unwrap();
    assert_eq!(&echo, b"x\n");
}

/// Waits until nothing in the server wants a core.
fn wait_until_asleep(server: &Server) {
    let limit = Instant::now() + PATIENCE;
    let mut before = None;
    loop {
        let now = time_on_core(server);
        let is_asleep = tasks(server).iter().all(|task| task.state == "S");
        if is_asleep && before == Some(now) {
            return;
        }
        assert!(Instant::now() < limit, "it is still at work");
        before = Some(now);
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn lines_find_a_spinning_server_awake() {
    let server = Server::start(&["--workers=1", "-q"]);
    let mut peer = server.connect();
    line(&mut peer);
    wait_until_asleep(&server);
    let before = waits(&server);
    for _ in 0..LINES {
        line(&mut peer);
        wait_until_asleep(&server);
    }
    let slept = waits(&server) - before;
    assert!(slept >= LINES, "without a spin: {slept}");

    let server = Server::start(&["--workers=1", "-q", LONG]);
    let mut peer = server.connect();
    line(&mut peer);
    let before = waits(&server);
    (0..LINES).for_each(|_| line(&mut peer));
    let slept = waits(&server) - before;
    assert!(slept < LINES / 2, "with a spin: {slept}");
}

#[test]
fn more_workers_than_cores_sleep_at_once() {
    let cores = thread::available_parallelism().unwrap().get();
    let workers = format!("--workers={}", cores + 1);
    let server = Server::start(&[&workers, "-q", LONG]);
    let mut peer = server.connect();
    wait_until_asleep(&server);
    let before = time_on_core(&server);
    line(&mut peer);
    wait_until_asleep(&server);
    let took = Duration::from_nanos(time_on_core(&server) - before);
    // It would spin for a second.
    assert!(took < Duration::from_millis(50), "{took:?}");
}

#[test]
fn after_the_spin_it_takes_no_time() {
    let server = Server::start(&["--workers=2", "-q", "--spin=1ms"]);
    let mut peer = server.connect();
    line(&mut peer);
    wait_until_asleep(&server);
    // And is there for the next line.
    line(&mut peer);
}
