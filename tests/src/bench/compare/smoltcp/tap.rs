//! Behind a TAP device, with the kernel's TCP as the client: `echo-tap`, whose device is offloaded,
//! beside the plain echo on smoltcp's own device, and beside a floor: a program that only turns
//! segments round, whose lines no stack can exceed that reads and writes a frame at a time.

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

/// A load, and how many times the lines of the plain echo there have to be in a second.
struct Load {
    workload: Workload,
    limit: f64,
    /// How many times their lines those of `echo-tap --spin 50us` have to be, where it is measured.
    spinning: Option<Spinning>,
    /// The floor is measured, too.
    floor: bool,
}

/// A limit of `echo-tap --spin 50us`, and what it is a ratio to.
enum Spinning {
    OfPlain(f64),
    OfOneWithout(f64),
}

const LOADS: [Load; 3] = [
    Load {
        workload: Workload::Bulk,
        limit: 3.0,
        spinning: None,
        // It sends nothing again, and longer lines would have to be.
        floor: false,
    },
    Load {
        workload: Workload::Fifty,
        limit: 1.0,
        // Two runs of one program differ by as much.
        spinning: Some(Spinning::OfOneWithout(0.98)),
        floor: true,
    },
    Load {
        workload: Workload::One,
        limit: 0.95,
        spinning: Some(Spinning::OfPlain(1.8)),
        floor: true,
    },
];

/// The spin of `echo-tap`, where it has one.
const SPIN: &str = "--spin=50us";

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
    without: Figures,
    /// The same with `echo-tap` spinning; empty where that is not measured.
    spinning: Figures,
    /// Those of the floor; empty where that is not measured.
    floor: Figures,
}

#[derive(Default)]
struct Figures {
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
    let floor = Recipe::for_c("reflect")?.follow("the floor behind a TAP device")?;
    let floor = floor.map(|path| Program {
        path,
        arguments: vec![TAP.into()],
    });
    if let Err(stop) = namespace::enter() {
        leave_out("smoltcp behind a TAP device", stop)?;
        return Ok(Report::default());
    }
    let mut spinning = ours.clone();
    spinning.arguments.push(SPIN.into());
    let mut disturbed = 0;
    let mut found = LOADS.map(|_| Found::default());
    for round in 0..rounds {
        for (load, found) in LOADS.iter().zip(&mut found) {
            let title = load.workload.title();
            eprintln!(
                "round {} of {rounds}: {title} behind a TAP device",
                round + 1
            );
            let mut measure = |program, name| {
                undisturbed(cores, &mut disturbed, || {
                    sample(program, load.workload, cores, time)
                })
                .map_err(context(format_args!("{name}, {title}")))
            };
            let before = measure(&plain, "plain smoltcp")?;
            let without = measure(&ours, "echo-tap")?;
            let with = match load.spinning {
                Some(_) => Some(measure(&spinning, "echo-tap with a spin")?),
                None => None,
            };
            let least = match &floor {
                Some(floor) if load.floor => Some(measure(floor, "the floor")?),
                _ => None,
            };
            let after = measure(&plain, "plain smoltcp")?;
            found.without.add([&before, &without, &after]);
            if let Some(with) = with {
                found.spinning.add([&before, &with, &after]);
            }
            if let Some(least) = least {
                found.floor.add([&before, &least, &after]);
            }
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

impl Figures {
    fn is_empty(&self) -> bool {
        self.lines_per_second.0[0].is_empty()
    }

    fn add(&mut self, round: [&Sample; 3]) {
        let (lines, cpu) = (&mut self.lines_per_second, &mut self.cpu_per_million_lines);
        lines.add(round.map(Sample::lines_per_second));
        cpu.add(round.map(Sample::cpu_per_million_lines));
    }
}

fn report(found: &[Found]) -> Report {
    let loads = || LOADS.iter().zip(found);
    let section = |title: &str, id: &str, rounds: fn(&Figures) -> &Rounds| {
        let row = |load: &Load, figures, id: &str, note: &str| {
            let (name, title) = (load.workload.id(), load.workload.title());
            rounds(figures).row(&format!("tap.{name}.{id}"), &format!("{title}{note}"))
        };
        let without = loads().map(|(load, found)| row(load, &found.without, id, ""));
        let spin = loads().filter(|(load, _)| load.spinning.is_some());
        let with = spin.map(|(load, found)| {
            let (id, note) = (format!("spinning.{id}"), format!(", linecho with {SPIN}"));
            row(load, &found.spinning, &id, &note)
        });
        let measured = loads().filter(|(_, found)| !found.floor.is_empty());
        let floor = measured.map(|(load, found)| {
            let id = format!("floor.{id}");
            row(load, &found.floor, &id, ", the floor in place of linecho")
        });
        Section {
            title: title.to_owned(),
            columns: columns(),
            rows: without.chain(with).chain(floor).collect(),
        }
    };
    let bound = |load: &Load, what: &str, reached, limit| Bound {
        what: format!(
            "smoltcp behind a TAP device, {}{what}",
            load.workload.title()
        ),
        reached,
        limit: Limit::AtLeast(limit),
    };
    let without = loads().map(|(load, found)| {
        let what = ": lines per second, ratio to plain smoltcp";
        bound(
            load,
            what,
            found.without.lines_per_second.ratio(),
            load.limit,
        )
    });
    let with = loads().filter_map(|(load, found)| {
        let lines = &found.spinning.lines_per_second;
        let (other, reached, limit) = match load.spinning.as_ref()? {
            Spinning::OfPlain(limit) => ("plain smoltcp", lines.ratio(), limit),
            Spinning::OfOneWithout(limit) => {
                let reached = lines.ratio_to(&found.without.lines_per_second);
                ("echo-tap without", reached, limit)
            }
        };
        let what = format!(" with {SPIN}: lines per second, ratio to {other}");
        Some(bound(load, &what, reached, *limit))
    });
    Report {
        bounds: without.chain(with).collect(),
        sections: vec![
            section(
                "smoltcp behind a TAP device, lines per second, ratio to plain smoltcp (absolute)",
                "lines_per_second",
                |figures| &figures.lines_per_second,
            ),
            section(
                "its CPU time, ratio to plain smoltcp (seconds per million lines)",
                "cpu_seconds_per_million_lines",
                |figures| &figures.cpu_per_million_lines,
            ),
        ],
    }
}
