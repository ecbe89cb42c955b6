//! The echo of embassy-net: compiled for a microcontroller, and run on this machine over a TAP
//! device in a network namespace, against the kernel's TCP.

use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use linecho_tests::firmware::toolchain::Toolchain;
use linecho_tests::firmware::{Problem, TARGET, checks, core_alone, image};
use linecho_tests::namespace::{self, Test};
use linecho_trials::process::Running;
use linecho_trials::{Stop, Trial, trial, trials};

const ADDRESS: &str = "10.0.7.2:7";

/// The test with a network namespace to itself.
pub(crate) const IN_NAMESPACE: [Test; 1] =
    [("four_connections_over_tap", four_connections_over_tap)];

pub(crate) fn trials() -> Vec<Trial> {
    let mut trials = trials![it_compiles_for_a_microcontroller];
    let [(name, _)] = IN_NAMESPACE;
    trials.push(trial(name, move || {
        // In the namespace cargo can fetch nothing.
        program()?;
        namespace::run(name)
    }));
    trials
}

fn it_compiles_for_a_microcontroller() -> Result<(), Stop> {
    build(TARGET, |cargo| cargo)?;
    Ok(())
}

fn program() -> Result<PathBuf, Problem> {
    let folder = build(&core_alone::host()?, |cargo| {
        // What makes an image small would double the time to build.
        cargo
            .args(["--features", "tap"])
            .env("CARGO_PROFILE_RELEASE_LTO", "off")
            .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "0")
    })?;
    Ok(folder.join("tap"))
}

/// Builds for a target: the folder of the result.
fn build(target: &str, options: fn(&mut Command) -> &mut Command) -> Result<PathBuf, Problem> {
    let toolchain = Toolchain::for_target(target)?;
    let mut cargo = toolchain.cargo_build();
    image::run(options(cargo.args(["--package", "linecho-embassy"])))?;
    Ok(toolchain.output_dir())
}

fn four_connections_over_tap() -> Result<(), Stop> {
    let program = program()?;
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
