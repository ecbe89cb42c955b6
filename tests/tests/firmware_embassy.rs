//! The echo of embassy-net: compiled for a microcontroller, and run on this machine over a TAP device
//! in a network namespace, against the kernel's TCP.

use std::env;
use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use linecho_tests::firmware::toolchain::Toolchain;
use linecho_tests::firmware::{Problem, TARGET, checks, core_alone, image, or_skip};

/// Set for the test that is inside of the namespace: the program that it runs there.
const PROGRAM: &str = "LINECHO_TEST_EMBASSY_PROGRAM";

const ADDRESS: &str = "10.0.7.2:7";

#[test]
fn it_compiles_for_a_microcontroller() {
    let _skipped = or_skip(build(TARGET, &[])).is_none();
}

#[test]
fn four_connections_over_tap() {
    if let Some(program) = env::var_os(PROGRAM) {
        return serve_four(Command::new(program));
    }
    let host = core_alone::host().unwrap();
    let program = build(&host, &["--features", "tap"]).unwrap().join("tap");
    let Some(namespace) = or_skip(namespace()) else {
        return;
    };
    let output = Command::new("unshare")
        .args(namespace)
        .arg(env::current_exe().unwrap())
        .args(["--exact", "four_connections_over_tap", "--nocapture"])
        .env(PROGRAM, program)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && text.contains("1 passed"),
        "{text}"
    );
}

/// Builds for a target: the folder of the result.
fn build(target: &str, features: &[&str]) -> Result<PathBuf, Problem> {
    let toolchain = Toolchain::for_target(target)?;
    image::run(
        toolchain
            .cargo_build()
            .args(["--package", "linecho-embassy"])
            .args(features),
    )?;
    Ok(toolchain.output_dir())
}

/// How `unshare` makes a namespace in which a TAP device can be made.
fn namespace() -> Result<&'static [&'static str], Problem> {
    let ways: [&[&str]; 2] = [&["-n"], &["-r", "-n"]];
    let works = |way: &&[&str]| {
        let output = Command::new("unshare")
            .args(*way)
            .args(["ip", "tuntap", "add", "dev", "probe0", "mode", "tap"])
            .output();
        output.is_ok_and(|output| output.status.success())
    };
    ways.into_iter().find(works).ok_or_else(|| {
        Problem::Missing(
            "no network namespace with a TAP device: run as root, or allow user namespaces and \
             /dev/net/tun (`apt-get install iproute2 util-linux`)"
                .to_owned(),
        )
    })
}

/// Inside of the namespace.
fn serve_four(mut program: Command) {
    for arguments in [
        "tuntap add dev echo0 mode tap",
        "addr add 10.0.7.1/24 dev echo0",
        "link set echo0 up",
    ] {
        let status = Command::new("ip")
            .args(arguments.split(' '))
            .status()
            .unwrap();
        assert!(status.success(), "ip {arguments}");
    }
    let mut program = Stopped(program.arg("echo0").stdout(Stdio::piped()).spawn().unwrap());
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

/// A process that ends with the test.
struct Stopped(Child);

impl Drop for Stopped {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
