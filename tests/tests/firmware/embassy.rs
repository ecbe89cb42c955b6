//! The echo of embassy-net, run on this machine over a TAP device in a network namespace, against
//! the kernel's TCP.

use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use linecho_tests::firmware::checks;
use linecho_tests::namespace::{self, Test};
use linecho_trials::process::{Running, executable};
use linecho_trials::{Stop, Trial, trial};

/// A program of `linecho-embassy`, with its feature `tap`.
const PROGRAM: &str = "tap";

const ADDRESS: &str = "10.0.7.2:7";

/// The test with a network namespace to itself.
pub(crate) const IN_NAMESPACE: [Test; 1] =
    [("four_connections_over_tap", four_connections_over_tap)];

pub(crate) fn trials() -> Vec<Trial> {
    let [(name, _)] = IN_NAMESPACE;
    vec![trial(name, move || {
        // In the namespace cargo can fetch nothing.
        executable(PROGRAM)?;
        namespace::run(name)
    })]
}

fn four_connections_over_tap() -> Result<(), Stop> {
    let program = executable(PROGRAM)?;
    for arguments in [
        "tuntap add dev echo0 mode tap",
        "addr add 10.0.7.1/24 dev echo0",
        "link set echo0 up",
    ] {
        let status = Command::new("ip")
            .args(arguments.split(' '))
            .status()
            .map_err(|_| Stop::no_program("ip", "iproute2"))?;
        assert!(status.success(), "ip {arguments}");
    }
    let mut program = Running(
        Command::new(program)
            .arg("echo0")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap(),
    );
    let mut log = BufReader::new(program.0.stdout.take().unwrap()).lines();
    assert_eq!(log.next().unwrap().unwrap(), format!("READY {ADDRESS}"));

    checks::stream_through(connect(), b"x\ny").unwrap();
    // More than the tasks, one after the other, and as many as the tasks at once.
    for _ in 0..8 {
        assert!(log.next().unwrap().unwrap().contains("closed: peer closed"));
        checks::stream_through(connect(), b"again\n").unwrap();
    }
    assert!(log.next().unwrap().unwrap().contains("closed: peer closed"));
    let streams: Vec<_> = (0..4).map(|_| connect()).collect();
    thread::scope(|scope| {
        for (seed, stream) in (1..).zip(streams) {
            let text = checks::text(1_000_000, seed);
            scope.spawn(move || checks::stream_through(stream, &text).unwrap());
        }
    });
    Ok(())
}

fn connect() -> TcpStream {
    let stream = TcpStream::connect(ADDRESS).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(30)))
        .unwrap();
    stream
        .set_write_timeout(Some(Duration::from_secs(30)))
        .unwrap();
    stream
}
