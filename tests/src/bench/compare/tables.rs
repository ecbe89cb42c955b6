//! The tables of the comparison on the kernel's TCP.

use clap::ValueEnum as _;

use super::figures::Figures;
use super::metric::Metric;
use super::workloads::Workload;
use crate::bench::report::{Cell, Column, Row, Section, short};

/// The figures as tables with a column for each server; a table only where something was measured.
#[must_use]
pub fn sections(figures: &Figures, columns: &[Column], controls: &[usize]) -> Vec<Section> {
    let under_loads = |metric| Workload::LOADS.map(|load| (metric, load)).to_vec();
    let compared = [
        (
            "lines per second, ratio to C epoll (absolute)",
            under_loads(Metric::LinesPerSecond),
        ),
        (
            "server CPU time, ratio to C epoll (seconds per million lines)",
            under_loads(Metric::CpuPerMillionLines),
        ),
    ];
    let absolute = [
        (
            "latency in µs",
            [Metric::P50, Metric::P99].map(under_loads).concat(),
        ),
        (
            "connections, memory, system calls",
            [
                vec![
                    (Metric::Opened, Workload::Burst),
                    (Metric::Served, Workload::Burst),
                    (Metric::MemoryFresh, Workload::Memory),
                    (Metric::MemoryAfterLine, Workload::Memory),
                ],
                Workload::COUNTED
                    .map(|load| (Metric::SystemCalls, load))
                    .to_vec(),
            ]
            .concat(),
        ),
    ];

    let row = |metric: Metric, workload: Workload, controls: &[usize]| {
        let cell = |server| {
            let value = figures.estimate(server, metric, workload)?.median;
            Some(Cell {
                value,
                text: short(value),
                ratio: figures
                    .ratio(server, controls, metric, workload)
                    .map(|ratio| ratio.median),
            })
        };
        let name = workload.to_possible_value()?;
        Some(Row {
            id: format!("{}.{}", name.get_name(), metric.id()),
            title: match controls {
                [] => format!("{}: {}", workload.title(), metric.title()),
                _ => workload.title().to_owned(),
            },
            cells: (0..columns.len()).map(cell).collect::<Option<_>>()?,
        })
    };
    let section = |title: &str, of: Vec<(Metric, Workload)>, controls: &[usize]| Section {
        title: title.to_owned(),
        columns: columns.to_vec(),
        rows: of
            .into_iter()
            .filter_map(|(metric, workload)| row(metric, workload, controls))
            .collect(),
    };
    let compared = compared.map(|(title, of)| section(title, of, controls));
    let absolute = absolute.map(|(title, of)| section(title, of, &[]));
    let all = compared.into_iter().chain(absolute);
    all.filter(|section| !section.rows.is_empty()).collect()
}
