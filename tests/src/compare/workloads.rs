//! What is asked of each server in each round, and the figures that it gives.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use clap::ValueEnum;

use crate::measure::load::{self, Load};
use crate::measure::machine::Cores;
use crate::measure::server::{Program, Server};
use crate::measure::{burst, idle::Idle, median, system_calls};

/// Connections of the burst, and of the memory measurement.
pub const MANY: usize = 5_000;

/// What is asked of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Workload {
    /// 1 connection, lines of 64 bytes.
    #[value(name = "1x64")]
    One,
    /// 50 connections, lines of 64 bytes.
    #[value(name = "50x64")]
    Fifty,
    /// 50 connections, lines of 64 bytes, 16 in flight.
    #[value(name = "50x64x16")]
    Pipelined,
    /// 8 connections, lines of 16 KiB, 2 in flight.
    #[value(name = "8x16k")]
    Bulk,
    /// 1,000 connections, lines of 64 bytes.
    #[value(name = "1000x64")]
    Thousand,
    /// 5,000 connections opened at once.
    Burst,
    /// The memory for each of 5,000 idle connections.
    Memory,
    /// System calls per line, counted by perf in runs of their own.
    SystemCalls,
}

/// A figure that is measured.
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

impl Workload {
    /// The workloads that are a steady load.
    pub const LOADS: [Self; 5] = [
        Self::One,
        Self::Fifty,
        Self::Pipelined,
        Self::Bulk,
        Self::Thousand,
    ];

    /// The loads under which system calls are counted.
    pub const COUNTED: [Self; 3] = [Self::Fifty, Self::Pipelined, Self::Bulk];

    /// What people call it, as the title of a row.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::One => "1 × 64 B",
            Self::Fifty => "50 × 64 B",
            Self::Pipelined => "50 × 64 B, 16 in flight",
            Self::Bulk => "8 × 16 KiB, 2 in flight",
            Self::Thousand => "1,000 × 64 B",
            Self::Burst => "burst of 5,000 connections",
            Self::Memory => "5,000 idle connections",
            Self::SystemCalls => "system calls",
        }
    }

    fn load(self) -> Option<Load> {
        let (connections, line_bytes, in_flight) = match self {
            Self::One => (1, 64, 1),
            Self::Fifty => (50, 64, 1),
            Self::Pipelined => (50, 64, 16),
            Self::Bulk => (8, 16 * 1024, 2),
            Self::Thousand => (1_000, 64, 1),
            Self::Burst | Self::Memory | Self::SystemCalls => return None,
        };
        Some(Load {
            connections,
            line_bytes,
            in_flight,
        })
    }

    /// Asks this of a fresh server, for `time` where it is a steady load, and hands each figure to `found`.
    ///
    /// # Errors
    /// When the server does not do what it is asked.
    pub fn run(
        self,
        program: &Program,
        cores: Cores,
        time: Duration,
        mut found: impl FnMut(Metric, Self, f64),
    ) -> io::Result<()> {
        if let Some(load) = self.load() {
            let server = Server::start(program, cores)?;
            let sample = load::run(&server, load, time / 4, time)?;
            let (p50, p99) = (sample.latency_us(50.0), sample.latency_us(99.0));
            found(Metric::LinesPerSecond, self, sample.lines_per_second());
            found(
                Metric::CpuPerMillionLines,
                self,
                sample.cpu_per_million_lines(),
            );
            found(Metric::P50, self, p50);
            found(Metric::P99, self, p99);
            found(Metric::Spread, self, p99 / p50);
            return Ok(());
        }
        match self {
            Self::Burst => {
                let server = Server::start(program, cores)?;
                let burst = burst::run(&server, MANY)?;
                found(Metric::Opened, self, burst.opened_per_second);
                found(Metric::Served, self, burst.served_per_second);
            }
            Self::Memory => {
                let server = Server::start(program, cores)?;
                let mut idle = Idle::open(&server, MANY)?;
                found(Metric::MemoryFresh, self, idle.bytes_per_connection()?);
                idle.echo_line()?;
                found(Metric::MemoryAfterLine, self, idle.bytes_per_connection()?);
            }
            _ => {
                for counted in Self::COUNTED {
                    let server = Server::start(program, cores)?;
                    let load = counted.load().ok_or_else(|| io::Error::other("no load"))?;
                    let calls = system_calls::per_line(&server, load, time / 2)?;
                    found(Metric::SystemCalls, counted, calls);
                }
            }
        }
        Ok(())
    }
}

/// The figures of all rounds: of each metric under each workload, for each server, in the order of the rounds.
#[derive(Default)]
pub struct Figures(BTreeMap<(Metric, Workload), BTreeMap<usize, Vec<f64>>>);

impl Figures {
    /// Adds what server number `server` reached in its next round.
    pub fn add(&mut self, metric: Metric, workload: Workload, server: usize, value: f64) {
        let servers = self.0.entry((metric, workload)).or_default();
        servers.entry(server).or_default().push(value);
    }

    /// The median of what `server` reached, if it was asked.
    #[must_use]
    pub fn median(&self, metric: Metric, workload: Workload, server: usize) -> Option<f64> {
        Some(median(self.rounds(metric, workload, server)?))
    }

    /// The median of the ratios of what `server` reached to what the `controls` reached on average in the same round.
    #[must_use]
    pub fn ratio(
        &self,
        metric: Metric,
        workload: Workload,
        server: usize,
        controls: &[usize],
    ) -> Option<f64> {
        let reached = self.rounds(metric, workload, server)?;
        let controls: Option<Vec<_>> = controls
            .iter()
            .map(|&control| self.rounds(metric, workload, control))
            .collect();
        let controls = controls.filter(|controls| !controls.is_empty())?;
        let ratios = reached.iter().enumerate().map(|(round, value)| {
            let sum: f64 = controls.iter().map(|rounds| rounds[round]).sum();
            value / (sum / controls.len() as f64)
        });
        Some(median(&ratios.collect::<Vec<_>>()))
    }

    fn rounds(&self, metric: Metric, workload: Workload, server: usize) -> Option<&[f64]> {
        Some(self.0.get(&(metric, workload))?.get(&server)?)
    }
}

#[cfg(test)]
mod tests {
    use super::{Figures, Metric, Workload};

    #[test]
    fn ratios_are_taken_within_a_round() {
        let mut figures = Figures::default();
        for (round, factor) in [1.0, 10.0, 100.0].into_iter().enumerate() {
            let mut add = |server, value| {
                figures.add(
                    Metric::LinesPerSecond,
                    Workload::One,
                    server,
                    value * factor,
                );
            };
            add(0, 9.0);
            add(1, 11.0);
            add(2, [5.0, 8.0, 20.0][round]);
        }
        let ratio = figures.ratio(Metric::LinesPerSecond, Workload::One, 2, &[0, 1]);
        assert!((ratio.unwrap_or_default() - 0.8).abs() < 1e-9);
        assert_eq!(
            figures.ratio(Metric::LinesPerSecond, Workload::One, 2, &[]),
            None
        );
        assert_eq!(figures.median(Metric::P50, Workload::One, 2), None);
    }
}
