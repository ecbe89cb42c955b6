//! Tests of the program `echo-server` that only work from outside: foreign peers, a limit of file
//! descriptors, the memory of the process.

use std::time::{Duration, Instant};

use linecho_core::LongLines;
use linecho_tests::conformance::foreign;
use linecho_tests::conformance::reach::Wanted;
use linecho_tests::conformance::reach::program::EchoServer;
use linecho_tests::conformance::reach::sockets::PACE;
use linecho_tests::conformance::scenarios::{Id, Plan, Reads, Stage};
use linecho_trials::{Stop, Trial, trial};
use nix::time::{ClockId, clock_getcpuclockid};
use nix::unistd::Pid;

type Play = fn() -> Result<(), Stop>;

pub(crate) fn trials() -> Vec<Trial> {
    let tests: [(&str, Play); 4] = [
        ("python", || foreign::python(started()?.address())),
        ("netcat", || foreign::netcat(started()?.address())),
        ("descriptors_exhausted", descriptors_exhausted),
        ("memory_is_bounded", memory_is_bounded),
    ];
    let named = |(name, play)| trial(format!("program::{name}"), play);
    tests.map(named).into()
}

fn started() -> Result<EchoServer, Stop> {
    EchoServer::start(&Wanted::default(), None)
}

/// A stage on a server, and the server's process.
fn stage(server: EchoServer) -> Result<(Stage, Pid), Stop> {
    let process = server.process();
    let network = Box::new(server.sockets()?);
    Ok((Stage::on(network, PACE, LongLines::Flush, 1), process))
}

/// 200 clients of a server that has 64 file descriptors: some have to wait, it does not spin
/// meanwhile, and all are served in the end.
fn descriptors_exhausted() -> Result<(), Stop> {
    let (mut stage, process) = stage(EchoServer::start(&Wanted::default(), Some(64))?)?;
    let mut clients = Vec::new();
    for number in 0..200 {
        let stays = Plan {
            half_close: false,
            ..Plan::default()
        };
        clients.push(stage.client(format!("client {number}\n").into_bytes(), stays)?);
    }
    let served = |stage: &Stage, clients: &[Id]| {
        clients
            .iter()
            .filter(|&&id| stage[id].is_answered())
            .count()
    };
    stage.until("as many are served as it has descriptors for", |stage| {
        served(stage, &clients) >= 40
    })?;

    let cpu_time = || -> Result<Duration, Stop> {
        let time = clock_getcpuclockid(process).and_then(ClockId::now);
        time.map(Into::into)
            .map_err(|error| Stop::Failed(format!("echo-server has ended: {error}")))
    };
    let (before, began) = (cpu_time()?, Instant::now());
    stage.pass(PACE * 4)?;
    let (used, passed) = (cpu_time()? - before, began.elapsed());
    if served(&stage, &clients) > 64 {
        return Err(Stop::Failed(
            "more clients are served than it has descriptors: this proves nothing".into(),
        ));
    }
    if used > passed / 20 {
        return Err(Stop::Failed(format!(
            "it spins: {used:?} of CPU time in {passed:?}"
        )));
    }
    for &client in &clients {
        stage[client].plan.half_close = true;
    }
    stage.finished(&clients)?;
    stage.conclude()
}

/// Clients that send 64 MiB and read nothing do not make the server grow.
fn memory_is_bounded() -> Result<(), Stop> {
    const MEBIBYTE: usize = 1 << 20;
    let (mut stage, process) = stage(started()?)?;
    let sends_only = Plan {
        reads: Reads::Nothing,
        ..Plan::default()
    };
    let line = [&[b'x'; 999][..], b"\n"].concat();
    let client = stage.client(line.repeat(64 * MEBIBYTE / line.len()), sends_only)?;
    stage.sent_what_goes(&[client])?;
    stage[client].plan.reads = Reads::All;
    stage.finished(&[client])?;

    let path = format!("/proc/{process}/status");
    let status =
        std::fs::read_to_string(&path).map_err(|error| Stop::Failed(format!("{path}: {error}")))?;
    let most = status
        .lines()
        .find_map(|line| {
            line.strip_prefix("VmHWM:")?
                .trim()
                .strip_suffix(" kB")?
                .parse::<usize>()
                .ok()
        })
        .ok_or_else(|| Stop::Failed(format!("{path} has no line `VmHWM: N kB`")))?;
    if most > 16 * 1024 {
        return Err(Stop::Failed(format!(
            "it had {most} kB of memory at its peak"
        )));
    }
    stage.conclude()
}
