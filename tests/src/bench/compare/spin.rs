//! Servers that go on asking for events for a while before they sleep: `echo-server --spin 50us`
//! beside the C loop that does the same, and beside both without.

use std::io;
use std::thread;
use std::time::{Duration, Instant};

use super::figures::Figures;
use super::metric::Metric;
use super::programs::Peer;
use super::sockets::{Contender, Plan, measure};
use super::tables::Table;
use super::workloads::Workload;
use crate::bench::estimate::Estimate;
use crate::bench::measure::load::{Clients, Load};
use crate::bench::measure::machine::Cores;
use crate::bench::measure::server::{Program, Server};
use crate::bench::report::{Bound, Column, Limit, Report, Section};

/// The time of a spin, in microseconds.
const SPIN: u64 = 50;

/// What is as fast may come out this much slower: two runs of one program differ by as much.
const NOT_SLOWER: f64 = 0.98;

/// Places of the servers in a round.
const C: usize = 0;
const OURS: usize = 1;
const C_SPINNING: usize = 2;
const OURS_SPINNING: usize = 3;

/// The loads: one where both sides would sleep for each line, and one where hardly any does.
const LOADS: [Workload; 2] = [Workload::One, Workload::Fifty];

/// Measures, and says what was found.
///
/// # Errors
///
/// When a server cannot be built or fails under the load.
pub fn run(rounds: usize, time: Duration, cores: Cores) -> io::Result<Report> {
    let Some(contenders) = contenders()? else {
        return Ok(Report::default());
    };
    let plan = Plan {
        workloads: LOADS.into(),
        rounds,
        time,
        cores,
    };
    let mut figures = measure(&plan, &contenders)?;
    for (place, contender) in contenders.iter().enumerate() {
        eprintln!("{}: at rest after a line", contender.column.title);
        let percent = idle_percent(&contender.program, cores)?;
        figures.add(place, (Metric::IdleCpu, Workload::One, percent));
    }
    let columns: Vec<_> = contenders.into_iter().map(|it| it.column).collect();
    Ok(Report {
        sections: sections(&figures, &columns),
        bounds: bounds(&figures),
    })
}

/// The servers; `None` if this machine cannot build one.
fn contenders() -> io::Result<Option<Vec<Contender>>> {
    let mut contenders = Vec::new();
    for spins in [false, true] {
        for (peer, option) in [
            (Peer::C, format!("{SPIN}")),
            (Peer::Ours, format!("--spin={SPIN}us")),
        ] {
            let Some(mut program) = peer.build()? else {
                return Ok(None);
            };
            let mut column = peer.column();
            if spins {
                program.arguments.push(option.into());
                column.id.push_str("-spinning");
                column.title.push_str(&format!(", spin {SPIN} µs"));
            }
            contenders.push(Contender {
                peer,
                program,
                column,
            });
        }
    }
    Ok(Some(contenders))
}

/// The CPU time of a server in percent of a core, from one second after its last line on. The
/// connection stays open.
fn idle_percent(program: &Program, cores: Cores) -> io::Result<f64> {
    const PAUSE: Duration = Duration::from_secs(1);
    let server = Server::start(program, cores)?;
    let load = Load {
        connections: 1,
        line_bytes: 64,
        in_flight: 1,
    };
    let mut clients = Clients::connect(server.address(), load)?;
    clients.drive(PAUSE / 10)?;
    clients.finish()?;
    thread::sleep(PAUSE);
    let (start, before) = (Instant::now(), server.cpu_time()?);
    thread::sleep(PAUSE);
    let spent = server.cpu_time()? - before;
    Ok(spent.as_secs_f64() / start.elapsed().as_secs_f64() * 100.0)
}

fn sections(figures: &Figures, columns: &[Column]) -> Vec<Section> {
    let table = |title, controls, rows: &[(Metric, Workload)]| {
        let table = Table {
            title,
            figures,
            columns,
            controls,
        };
        table.of("spin.", rows)
    };
    let loads = |metric| LOADS.map(|load| (metric, load));
    vec![
        table(
            "with and without a spin: lines per second, ratio to C epoll (absolute)",
            &[C],
            &loads(Metric::LinesPerSecond),
        ),
        table(
            "server CPU time, ratio to C epoll (seconds per million lines)",
            &[C],
            &loads(Metric::CpuPerMillionLines),
        ),
        table(
            "at rest, in percent of a core",
            &[],
            &[(Metric::IdleCpu, Workload::One)],
        ),
    ]
}

fn bounds(figures: &Figures) -> Vec<Bound> {
    use Limit::{AtLeast, AtMost};
    let lines = |to, load| figures.ratio(OURS_SPINNING, &[to], Metric::LinesPerSecond, load);
    let idle = figures.estimate(OURS_SPINNING, Metric::IdleCpu, Workload::One);
    let all: [(Workload, &str, Option<Estimate>, Limit); 4] = [
        (
            Workload::One,
            "lines per second, ratio to C epoll",
            lines(C, Workload::One),
            AtLeast(1.35),
        ),
        (
            Workload::One,
            "lines per second, ratio to C epoll with that spin",
            lines(C_SPINNING, Workload::One),
            AtLeast(0.97),
        ),
        (
            Workload::Fifty,
            "lines per second, ratio to echo-server without",
            lines(OURS, Workload::Fifty),
            AtLeast(NOT_SLOWER),
        ),
        (Workload::One, Metric::IdleCpu.title(), idle, AtMost(0.05)),
    ];
    let bound = |(load, what, reached, limit): (Workload, &str, Option<Estimate>, Limit)| {
        Some(Bound {
            what: format!("--spin {SPIN}us, {}: {what}", load.title()),
            reached: reached?,
            limit,
        })
    };
    all.into_iter().filter_map(bound).collect()
}
