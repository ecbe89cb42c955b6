//! The bounds that the project's own server holds on std sockets.

use super::report::{Bound, Limit};
use super::workloads::{Figures, Metric, Workload};

/// Where each server stands in the figures.
pub struct Places {
    /// The project's own server.
    pub ours: usize,
    /// The C loop, each time that it runs in a round.
    pub controls: Vec<usize>,
    /// The peers that write once per line, with their names.
    pub line_by_line: Vec<(usize, &'static str)>,
}

/// Every bound about which something was measured.
#[must_use]
pub fn check(figures: &Figures, places: &Places) -> Vec<Bound> {
    use Limit::{AtLeast, AtMost};
    use Metric::{
        CpuPerMillionLines, LinesPerSecond, MemoryAfterLine, MemoryFresh, Opened, Spread,
        SystemCalls,
    };
    let mut bounds = Vec::new();
    let mut bound = |what: String, value: Option<f64>, limit| {
        if let Some(value) = value {
            bounds.push(Bound { what, value, limit });
        }
    };
    let reached = |metric, workload| figures.median(metric, workload, places.ours);

    for workload in Workload::LOADS {
        let ratio = |metric| figures.ratio(metric, workload, places.ours, &places.controls);
        let what = |quantity| format!("{}: {quantity}, of the C loop's", workload.title());
        bound(
            what("lines per second"),
            ratio(LinesPerSecond),
            AtLeast(0.95),
        );
        bound(
            what("CPU per line"),
            ratio(CpuPerMillionLines),
            AtMost(1.07),
        );
    }
    for (workload, limit) in Workload::COUNTED.into_iter().zip([2.15, 0.14, 1.3]) {
        let what = format!("{}: system calls per line", workload.title());
        bound(what, reached(SystemCalls, workload), AtMost(limit));
    }
    for &(peer, name) in &places.line_by_line {
        let ratio = figures.ratio(LinesPerSecond, Workload::Pipelined, places.ours, &[peer]);
        let what = format!(
            "{}: lines per second, of {name}'s",
            Workload::Pipelined.title()
        );
        bound(what, ratio, AtLeast(10.0));
    }
    let spread = reached(Spread, Workload::Pipelined);
    bound(
        format!("{}: p99 / p50", Workload::Pipelined.title()),
        spread,
        AtMost(4.0),
    );
    let opened = reached(Opened, Workload::Burst);
    bound(
        format!("{}: opened per second", Workload::Burst.title()),
        opened,
        AtLeast(40_000.0),
    );
    for (metric, when) in [(MemoryFresh, "fresh"), (MemoryAfterLine, "after one line")] {
        let what = format!("{}: bytes each, {when}", Workload::Memory.title());
        bound(what, reached(metric, Workload::Memory), AtMost(128.0));
    }
    bounds
}
