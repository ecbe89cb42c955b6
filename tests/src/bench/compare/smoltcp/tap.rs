//! Behind a TAP device, with the kernel's TCP as the client: `echo-tap`, whose device is offloaded,
//! beside the plain echo on smoltcp's own device.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use linecho_devices::netns;

use super::{Rounds, columns};
use crate::bench::compare::leave_out;
use crate::bench::compare::programs::Recipe;
use crate::bench::compare::workloads::Workload;
use crate::bench::context;
use crate::bench::measure::load::{self, Sample};
use crate::bench::measure::machine::Cores;
use crate::bench::measure::quiet::{tell_disturbed, undisturbed};
use crate::bench::measure::server::{Program, Server};
use crate::bench::report::{Bound, Limit, Report, Section};
use crate::namespace;

/// The loads, and how many times the lines of the plain echo there have to be in a second.
const LOADS: [(Workload, f64); 3] = [
    (Workload::Bulk, 3.0),
    (Workload::Fifty, 1.0),
    (Workload::One, 0.95),
];

const TAP: &str = "tap0";
const SERVER: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 168, 69, 1));
const KERNEL: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 168, 69, 100));
const PREFIX_BITS: u8 = 24;
const PORT: u16 = 18_080;

/// Each of the two buffers of a socket, for both servers: the kernel sends at most half a window at
/// once, so that smaller ones would hide what longer segments gain.
const SOCKET_BUFFER: usize = 262_144;

/// The figures of both servers under a load.
#[derive(Default)]
struct Found {
    lines_per_second: Rounds,
    cpu_per_million_lines: Rounds,
}

/// Measures all loads, each for `time` in each of the `rounds`. From then on this process is in a
/// network namespace of its own: whatever needs another network comes before.
///
/// Where the system does not allow that, says so and finds nothing, unless `LINECHO_REQUIRE_ALL` is
/// 1.
///
/// # Errors
///
/// When a server cannot be built or fails under the load.
pub fn run(rounds: usize, time: Duration, cores: Cores) -> io::Result<Report> {
    let Some([plain, ours]) = programs()? else {
        return Ok(Report::default());
    };
    if let Err(stop) = namespace::enter() {
        leave_out("smoltcp behind a TAP device", stop)?;
        return Ok(Report::default());
    }
    let mut disturbed = 0;
    let mut found = LOADS.map(|_| Found::default());
    for round in 0..rounds {
        for ((workload, _), found) in LOADS.iter().zip(&mut found) {
            let title = workload.title();
            eprintln!(
                "round {} of {rounds}: {title} behind a TAP device",
                round + 1
            );
            let mut measure = |program, name| {
                undisturbed(cores, &mut disturbed, || {
                    sample(program, *workload, cores, time)
                })
                .map_err(context(format_args!("{name}, {title}")))
            };
            found.add(&[
                measure(&plain, "plain smoltcp")?,
                measure(&ours, "echo-tap")?,
                measure(&plain, "plain smoltcp")?,
            ]);
        }
    }
    tell_disturbed(disturbed);
    Ok(report(&found))
}

/// The plain echo, and ours.
fn programs() -> io::Result<Option<[Program; 2]>> {
    let [plain, ours] = [Recipe::for_peer("smoltcp")?, Recipe::for_ours("echo-tap")?];
    let (Some(plain), Some(ours)) = (plain.follow("plain smoltcp")?, ours.follow("echo-tap")?)
    else {
        return Ok(None);
    };
    let address = format!("{SERVER}/{PREFIX_BITS}");
    let (port, socket_buffer) = (PORT.to_string(), SOCKET_BUFFER.to_string());
    let arguments = [TAP, &address, &port, &socket_buffer];
    let plain = Program {
        path: plain,
        arguments: arguments.map(Into::into).into(),
    };
    let arguments = [
        "--quiet",
        "--tap",
        TAP,
        "--ip",
        &address,
        "--port",
        &port,
        "--socket-buffer",
        &socket_buffer,
    ];
    let ours = Program {
        path: ours,
        arguments: arguments.map(Into::into).into(),
    };
    Ok(Some([plain, ours]))
}

/// Puts the load on a fresh server, with a fresh device: the kernel keeps the offload of one that
/// stays, and smoltcp's own device cannot take long frames.
fn sample(
    program: &Program,
    workload: Workload,
    cores: Cores,
    time: Duration,
) -> io::Result<Sample> {
    let load = workload
        .load()
        .ok_or_else(|| io::Error::other("this is no steady load"))?;
    let address = SocketAddr::new(SERVER, PORT);
    let plug_in = || netns::configure(TAP, &[(KERNEL, PREFIX_BITS)]).map_err(io::Error::other);
    let server = Server::start_behind(program, cores, address, plug_in)?;
    load::run(&server, load, time / 4, time)
}

impl Found {
    fn add(&mut self, round: &[Sample; 3]) {
        let (lines, cpu) = (&mut self.lines_per_second, &mut self.cpu_per_million_lines);
        lines.add(round.each_ref().map(Sample::lines_per_second));
        cpu.add(round.each_ref().map(Sample::cpu_per_million_lines));
    }
}

fn report(found: &[Found]) -> Report {
    let section = |title: &str, id: &str, rounds: fn(&Found) -> &Rounds| Section {
        title: title.to_owned(),
        columns: columns(),
        rows: LOADS
            .iter()
            .zip(found)
            .map(|((workload, _), found)| {
                let title = workload.title();
                rounds(found).row(&format!("tap.{}.{id}", workload.id()), title)
            })
            .collect(),
    };
    let bounds = LOADS
        .iter()
        .zip(found)
        .map(|(&(workload, limit), found)| Bound {
            what: format!(
                "smoltcp behind a TAP device, {}: lines per second, ratio to plain smoltcp",
                workload.title()
            ),
            reached: found.lines_per_second.ratio(),
            limit: Limit::AtLeast(limit),
        });
    Report {
        bounds: bounds.collect(),
        sections: vec![
            section(
                "smoltcp behind a TAP device, lines per second, ratio to plain smoltcp (absolute)",
                "lines_per_second",
                |found| &found.lines_per_second,
            ),
            section(
                "its CPU time, ratio to plain smoltcp (seconds per million lines)",
                "cpu_seconds_per_million_lines",
                |found| &found.cpu_per_million_lines,
            ),
        ],
    }
}
