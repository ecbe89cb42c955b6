//! The tables of the comparison on the kernel's TCP.

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

    let compared = compared.map(|(title, of)| {
        Table {
            title,
            figures,
            columns,
            controls,
        }
        .of("", &of)
    });
    let absolute = absolute.map(|(title, of)| {
        Table {
            title,
            figures,
            columns,
            controls: &[],
        }
        .of("", &of)
    });
    let all = compared.into_iter().chain(absolute);
    all.filter(|section| !section.rows.is_empty()).collect()
}

/// A table of figures, with a column for each server.
pub(super) struct Table<'a> {
    pub(super) title: &'a str,
    pub(super) figures: &'a Figures,
    pub(super) columns: &'a [Column],
    /// The servers whose mean is 1; without any, figures stand alone.
    pub(super) controls: &'a [usize],
}

impl Table<'_> {
    /// The table with a row for each of these that was measured on all servers. Names for scripts
    /// begin with `prefix`.
    pub(super) fn of(&self, prefix: &str, rows: &[(Metric, Workload)]) -> Section {
        let several = rows.windows(2).any(|pair| pair[0].0 != pair[1].0);
        let rows = rows.iter();
        Section {
            title: self.title.to_owned(),
            columns: self.columns.to_vec(),
            rows: rows
                .filter_map(|&(metric, workload)| {
                    let title = match several {
                        true => format!("{}: {}", workload.title(), metric.title()),
                        false => workload.title().to_owned(),
                    };
                    self.row(prefix, title, metric, workload)
                })
                .collect(),
        }
    }

    fn row(&self, prefix: &str, title: String, metric: Metric, workload: Workload) -> Option<Row> {
        let cell = |server| {
            let value = self.figures.estimate(server, metric, workload)?.median;
            let ratio = self.figures.ratio(server, self.controls, metric, workload);
            Some(Cell {
                value,
                text: short(value),
                ratio: ratio.map(|ratio| ratio.median),
            })
        };
        Some(Row {
            id: format!("{prefix}{}.{}", workload.id(), metric.id()),
            title,
            cells: (0..self.columns.len()).map(cell).collect::<Option<_>>()?,
        })
    }
}
