//! The comparison on the kernel's TCP: the project's server and its peers, in turn, over several rounds.

use std::io;
use std::time::Duration;

use super::bounds::{self, Places};
use super::programs::Peer;
use super::report::{Bound, Cell, Row, Section, short};
use super::workloads::{Figures, MANY, Metric, Workload};
use crate::measure::machine::{Cores, allow_connections};
use crate::measure::server::Program;
use crate::measure::system_calls;

/// What to measure.
pub struct Plan {
    /// The servers.
    pub peers: Vec<Peer>,
    /// What is asked of each.
    pub workloads: Vec<Workload>,
    /// How often.
    pub rounds: usize,
    /// How long each steady load is measured.
    pub time: Duration,
}

/// A server at its place in the order of a round.
struct Contender {
    peer: Peer,
    title: String,
    program: Program,
}

/// Builds the servers, measures, and says what was found.
///
/// # Errors
/// When a server cannot be built or fails under the load, or this machine does not allow enough connections.
pub fn run(mut plan: Plan) -> io::Result<(Vec<Section>, Vec<Bound>)> {
    let cores = Cores::of_this_machine()?;
    if cores.shared() {
        eprintln!("one core for both sides: the ratios say less than with two");
    }
    allow_connections(MANY)?;
    if let Err(reason) = system_calls::available() {
        eprintln!("system calls are not counted: {reason}");
        plan.workloads
            .retain(|&workload| workload != Workload::SystemCalls);
    }
    let contenders = contenders(&plan.peers)?;
    let figures = measure(&plan, &contenders, cores)?;

    let places = |peer| {
        let numbered = contenders.iter().enumerate();
        numbered
            .filter(move |(_, contender)| contender.peer == peer)
            .map(|(place, _)| place)
    };
    let controls: Vec<_> = places(Peer::C).collect();
    let bounds = places(Peer::Ours).next().map_or_else(Vec::new, |ours| {
        let line_by_line = [Peer::Tokio, Peer::Go];
        let line_by_line = line_by_line
            .into_iter()
            .flat_map(|peer| places(peer).map(move |place| (place, peer.title())));
        let places = Places {
            ours,
            controls: controls.clone(),
            line_by_line: line_by_line.collect(),
        };
        bounds::check(&figures, &places)
    });
    Ok((sections(&figures, &contenders, &controls), bounds))
}

/// The servers that can be built, in the order of a round. The C loop comes twice: what it reaches against itself
/// is the noise of the measurement.
fn contenders(peers: &[Peer]) -> io::Result<Vec<Contender>> {
    let mut contenders = Vec::new();
    for &peer in peers {
        if let Some(program) = peer.build()? {
            let title = peer.title().to_owned();
            contenders.push(Contender {
                peer,
                title,
                program,
            });
        }
    }
    if let Some(control) = contenders
        .iter()
        .find(|contender| contender.peer == Peer::C)
    {
        let again = Contender {
            peer: Peer::C,
            title: format!("{} again", control.title),
            program: control.program.clone(),
        };
        contenders.insert(contenders.len().min(2), again);
    }
    Ok(contenders)
}

/// All rounds. The server that begins a workload changes from round to round, so that none is always the one
/// that runs on a rested machine.
fn measure(plan: &Plan, contenders: &[Contender], cores: Cores) -> io::Result<Figures> {
    let mut figures = Figures::default();
    for round in 0..plan.rounds {
        for &workload in &plan.workloads {
            eprintln!(
                "round {} of {}: {}",
                round + 1,
                plan.rounds,
                workload.title()
            );
            for turn in 0..contenders.len() {
                let place = (round + turn) % contenders.len();
                let Contender { title, program, .. } = &contenders[place];
                workload
                    .run(program, cores, plan.time, |metric, under, value| {
                        figures.add(metric, under, place, value);
                    })
                    .map_err(|error| {
                        io::Error::other(format!("{title}, {}: {error}", workload.title()))
                    })?;
            }
        }
    }
    Ok(figures)
}

/// The figures as tables: a section only where something was measured.
fn sections(figures: &Figures, contenders: &[Contender], controls: &[usize]) -> Vec<Section> {
    let row = |title: String, metric, workload, text: &dyn Fn(f64) -> String, with_ratio: bool| {
        let cells: Option<Vec<_>> = (0..contenders.len())
            .map(|place| {
                let value = figures.median(metric, workload, place)?;
                let ratio = figures.ratio(metric, workload, place, controls);
                Some(Cell {
                    value,
                    text: text(value),
                    ratio: ratio.filter(|_| with_ratio),
                })
            })
            .collect();
        Some(Row {
            title,
            cells: cells?,
        })
    };
    let loads = |metric, name: &'static str, text: &'static dyn Fn(f64) -> String, with_ratio| {
        let row = move |workload: Workload| {
            row(
                format!("{}{name}", workload.title()),
                metric,
                workload,
                text,
                with_ratio,
            )
        };
        Workload::LOADS.into_iter().filter_map(row)
    };
    let section = |title: &str, rows: Vec<Row>| Section {
        title: title.to_owned(),
        columns: contenders
            .iter()
            .map(|contender| contender.title.clone())
            .collect(),
        rows,
    };
    let all = [
        section(
            "lines per second, of the C loop's (thousands)",
            loads(
                Metric::LinesPerSecond,
                "",
                &|value| short(value / 1e3),
                true,
            )
            .collect(),
        ),
        section(
            "server CPU per line, of the C loop's (seconds per million lines)",
            loads(Metric::CpuPerMillionLines, "", &short, true).collect(),
        ),
        section(
            "latency in µs",
            loads(Metric::P50, ", p50", &short, false)
                .chain(loads(Metric::P99, ", p99", &short, false))
                .collect(),
        ),
        section(
            "connections, memory, system calls",
            [
                (Metric::Opened, Workload::Burst, ": opened per second"),
                (
                    Metric::Served,
                    Workload::Burst,
                    ": opened and served per second",
                ),
                (Metric::MemoryFresh, Workload::Memory, ": bytes each, fresh"),
                (
                    Metric::MemoryAfterLine,
                    Workload::Memory,
                    ": bytes each, after one line",
                ),
            ]
            .into_iter()
            .chain(
                Workload::COUNTED
                    .map(|load| (Metric::SystemCalls, load, ": system calls per line")),
            )
            .filter_map(|(metric, workload, name)| {
                row(
                    format!("{}{name}", workload.title()),
                    metric,
                    workload,
                    &short,
                    false,
                )
            })
            .collect(),
        ),
    ];
    all.into_iter()
        .filter(|section| !section.rows.is_empty())
        .collect()
}
