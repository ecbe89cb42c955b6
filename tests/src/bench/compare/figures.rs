//! The figures of all servers over all rounds, and what is made of them: medians, and ratios to the
//! control.

use std::collections::BTreeMap;

use super::workloads::Workload;
use crate::bench::estimate::Estimate;

/// A quantity that is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Metric {
    /// Lines echoed in a second.
    LinesPerSecond,
    /// Seconds of server CPU time for a million lines.
    CpuPerMillionLines,
    /// Median latency of a line, in microseconds.
    P50,
    /// The latency that one line in a hundred exceeds, in microseconds.
    P99,
    /// The one divided by the other.
    Spread,
    /// Connections of a burst established in a second.
    Opened,
    /// Connections of a burst established and served in a second.
    Served,
    /// Bytes of server memory for a connection that nothing came over.
    MemoryFresh,
    /// Bytes of server memory for a connection after a line.
    MemoryAfterLine,
    /// System calls of the server for a line.
    SystemCalls,
}

impl Metric {
    /// Its name for scripts.
    #[must_use]
    pub fn id(self) -> &'static str {
        match self {
            Self::LinesPerSecond => "lines_per_second",
            Self::CpuPerMillionLines => "cpu_seconds_per_million_lines",
            Self::P50 => "latency_p50_us",
            Self::P99 => "latency_p99_us",
            Self::Spread => "latency_p99_to_p50",
            Self::Opened => "opened_per_second",
            Self::Served => "served_per_second",
            Self::MemoryFresh => "bytes_fresh",
            Self::MemoryAfterLine => "bytes_after_line",
            Self::SystemCalls => "system_calls_per_line",
        }
    }

    /// Its name for people.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::LinesPerSecond => "lines per second",
            Self::CpuPerMillionLines => "CPU seconds per million lines",
            Self::P50 => "p50",
            Self::P99 => "p99",
            Self::Spread => "p99 / p50",
            Self::Opened => "opened per second",
            Self::Served => "opened and served per second",
            Self::MemoryFresh => "bytes each, fresh",
            Self::MemoryAfterLine => "bytes each, after one line",
            Self::SystemCalls => "system calls per line",
        }
    }
}

/// The figures of a server in one round.
pub type Figure = (Metric, Workload, f64);

/// The figures of all rounds: for each server, of each metric under each workload, in the order of
/// the rounds. Servers are numbered.
#[derive(Default)]
pub struct Figures(BTreeMap<(usize, Metric, Workload), Vec<f64>>);

impl Figures {
    /// Adds what `server` reached in its next round.
    pub fn add(&mut self, server: usize, (metric, workload, value): Figure) {
        let rounds = self.0.entry((server, metric, workload)).or_default();
        rounds.push(value);
    }

    /// The figures of `server`, if it was asked.
    #[must_use]
    pub fn estimate(&self, server: usize, metric: Metric, workload: Workload) -> Option<Estimate> {
        Some(Estimate::of(self.0.get(&(server, metric, workload))?))
    }

    /// The ratio of what `server` reached to what the `controls` reached on average in the same
    /// round.
    #[must_use]
    pub fn ratio(
        &self,
        server: usize,
        controls: &[usize],
        metric: Metric,
        workload: Workload,
    ) -> Option<Estimate> {
        let reached = self.0.get(&(server, metric, workload))?;
        let controls = controls
            .iter()
            .map(|&control| self.0.get(&(control, metric, workload)))
            .collect::<Option<Vec<_>>>()
            .filter(|controls| !controls.is_empty())?;
        let ratios = reached.iter().enumerate().map(|(round, value)| {
            let sum: f64 = controls.iter().map(|rounds| rounds[round]).sum();
            value / (sum / controls.len() as f64)
        });
        Some(Estimate::of(&ratios.collect::<Vec<_>>()))
    }
}

#[cfg(test)]
mod tests {
    use super::{Figures, Metric, Workload};

    #[test]
    fn ratios_are_taken_within_a_round() {
        const OF: (Metric, Workload) = (Metric::LinesPerSecond, Workload::One);
        let mut figures = Figures::default();
        for (factor, ours) in [(1.0, 5.0), (10.0, 8.0), (100.0, 2.0)] {
            for (server, value) in [9.0, 11.0, ours].into_iter().enumerate() {
                figures.add(server, (OF.0, OF.1, value * factor));
            }
        }
        let ratio = figures.ratio(2, &[0, 1], OF.0, OF.1).unwrap();
        for (is, expected) in [(ratio.low, 0.2), (ratio.median, 0.5), (ratio.high, 0.8)] {
            assert!((is - expected).abs() < 1e-9, "{is}");
        }
        assert!(figures.ratio(2, &[], OF.0, OF.1).is_none());
        assert!(figures.estimate(2, Metric::P50, Workload::One).is_none());
    }
}
