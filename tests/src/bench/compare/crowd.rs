//! The comparison of servers with thousands of connections. Ours has two workers, and all servers
//! may run on both cores.

use std::io;
use std::time::Duration;

use super::figures::Figures;
use super::leave_out;
use super::metric::Metric;
use super::programs::{ONE_WORKER, Peer};
use super::sockets::{Contender, Plan, contenders, measure};
use super::tables::Table;
use super::workloads::Workload;
use crate::bench::measure::crowd::CONNECTIONS;
use crate::bench::measure::machine::{Cores, allow_connections};
use crate::bench::report::{Bound, Column, Limit, Report};

/// It takes ten seconds a round, and hardly varies.
const ROUNDS_FOR_ONE: usize = 4;

/// Fewer rounds say nothing about how much it varies.
const FEWEST_ROUNDS: usize = 3;

/// What a connection costs.
const COSTS: [Metric; 3] = [Metric::CpuToOpen, Metric::CpuInTurn, Metric::CpuToClose];

/// Measures, and says what was found. Where not so many files may be open, says so and finds
/// nothing, unless `LINECHO_REQUIRE_ALL` is 1.
///
/// # Errors
///
/// When a server cannot be built or fails.
pub fn run(rounds: usize, cores: Cores) -> io::Result<Report> {
    if let Err(reason) = allow_connections(CONNECTIONS) {
        leave_out("a crowd of connections", reason)?;
        return Ok(Report::default());
    }
    let contenders = with_two_workers(contenders(&[Peer::C, Peer::Ours])?);
    let plan = Plan {
        workloads: vec![Workload::Crowd],
        rounds: rounds.div_ceil(ROUNDS_FOR_ONE).max(FEWEST_ROUNDS),
        time: Duration::ZERO,
        cores,
    };
    let figures = measure(&plan, &contenders)?;
    let is_control = |&place: &usize| contenders[place].peer == Peer::C;
    let controls: Vec<_> = (0..contenders.len()).filter(is_control).collect();
    let ours = contenders.iter().position(|it| it.peer == Peer::Ours);
    let columns: Vec<_> = contenders.into_iter().map(|it| it.column).collect();
    Ok(report(&figures, &columns, ours, &controls))
}

fn with_two_workers(mut contenders: Vec<Contender>) -> Vec<Contender> {
    for Contender {
        program, column, ..
    } in &mut contenders
    {
        let mut arguments = program.arguments.iter_mut();
        if let Some(workers) = arguments.find(|it| *it == ONE_WORKER) {
            *workers = "--workers=2".into();
            column.title.push_str(", 2 workers");
        }
    }
    contenders
}

fn report(
    figures: &Figures,
    columns: &[Column],
    ours: Option<usize>,
    controls: &[usize],
) -> Report {
    let table = Table {
        title: "19,000 connections: server CPU time, ratio to C epoll (µs)",
        figures,
        columns,
        controls,
    };
    let bound = |(metric, most): (Metric, f64)| {
        Some(Bound {
            what: format!(
                "{}, 2 workers: {}, ratio to C epoll",
                Workload::Crowd.title(),
                metric.title()
            ),
            reached: figures.ratio(ours?, controls, metric, Workload::Crowd)?,
            limit: Limit::AtMost(most),
        })
    };
    let bounds = [(Metric::CpuInTurn, 1.05), (Metric::CpuToClose, 1.1)];
    Report {
        sections: vec![table.of("", &COSTS.map(|metric| (metric, Workload::Crowd)))],
        bounds: bounds.into_iter().filter_map(bound).collect(),
    }
}
