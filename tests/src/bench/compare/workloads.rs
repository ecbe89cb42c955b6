//! The workloads of each server in each round.

use std::io;
use std::time::Duration;

use clap::ValueEnum;

use super::client_in_c;
use super::metric::Metric;
use crate::bench::measure::load::{self, Load};
use crate::bench::measure::machine::Cores;
use crate::bench::measure::server::{Program, Server};
use crate::bench::measure::{burst, crowd, idle::Idle, system_calls};

/// Connections of the burst, and of the memory measurement.
pub const MANY: usize = 5_000;

/// A figure of a server in one round.
pub type Figure = (Metric, Workload, f64);

/// A workload for a server.
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
    /// The same from another client, written in C.
    #[value(name = "8x16k-c")]
    BulkFromC,
    /// 1,000 connections, lines of 64 bytes.
    #[value(name = "1000x64")]
    Thousand,
    /// 5,000 connections opened at once.
    Burst,
    /// The memory for each of 5,000 idle connections.
    Memory,
    /// 19,000 connections: opened, a line to each in turn, closed.
    Crowd,
    /// System calls per line, counted by strace in runs of their own.
    SystemCalls,
}

impl Workload {
    /// The workloads that are a steady load.
    pub const LOADS: [Self; 6] = [
        Self::One,
        Self::Fifty,
        Self::Pipelined,
        Self::Bulk,
        Self::BulkFromC,
        Self::Thousand,
    ];

    /// The loads under which system calls are counted.
    pub const COUNTED: [Self; 3] = [Self::Fifty, Self::Pipelined, Self::Bulk];

    /// Its name for people, as the title of a row.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::One => "1 × 64 B",
            Self::Fifty => "50 × 64 B",
            Self::Pipelined => "50 × 64 B, 16 in flight",
            Self::Bulk => "8 × 16 KiB, 2 in flight",
            Self::BulkFromC => "8 × 16 KiB, 2 in flight, client in C",
            Self::Thousand => "1,000 × 64 B",
            Self::Burst => "burst of 5,000 connections",
            Self::Memory => "5,000 idle connections",
            Self::Crowd => "19,000 connections",
            Self::SystemCalls => "system calls",
        }
    }

    /// Its name for scripts.
    pub(super) fn id(self) -> String {
        let name = self.to_possible_value();
        name.map_or_else(String::new, |name| name.get_name().to_owned())
    }

    /// The load, if this is a steady one.
    pub(super) fn load(self) -> Option<Load> {
        let (connections, line_bytes, in_flight) = match self {
            Self::One => (1, 64, 1),
            Self::Fifty => (50, 64, 1),
            Self::Pipelined => (50, 64, 16),
            Self::Bulk | Self::BulkFromC => (8, 16 * 1024, 2),
            Self::Thousand => (1_000, 64, 1),
            Self::Burst | Self::Memory | Self::Crowd | Self::SystemCalls => return None,
        };
        Some(Load {
            connections,
            line_bytes,
            in_flight,
        })
    }

    /// The number of its measurements in a round, each that much shorter. With one connection both
    /// sides sleep between two lines, and how soon they wake differs by a tenth between two
    /// runs of one program.
    #[must_use]
    pub fn times_a_round(self) -> u32 {
        match self {
            Self::One => 2,
            _ => 1,
        }
    }

    /// True if it is measured in this round, of which the first is 0. What takes long, or comes out
    /// the same each time, is not worth the time of every one.
    #[must_use]
    pub fn is_due(self, round: usize) -> bool {
        round.is_multiple_of(match self {
            Self::Memory | Self::SystemCalls => 6,
            Self::Burst => 2,
            _ => 1,
        })
    }

    /// True if its figures suffer when other processes take time from the cores. The CPU time of a
    /// crowd suffers little, and takes long to measure again.
    #[must_use]
    pub fn is_timed(self) -> bool {
        !matches!(self, Self::Memory | Self::Crowd | Self::SystemCalls)
    }

    /// Asks this of a fresh server, for `time` where it is a steady load.
    ///
    /// # Errors
    ///
    /// When the server does not do what it is asked.
    pub fn run(self, program: &Program, cores: Cores, time: Duration) -> io::Result<Vec<Figure>> {
        let start = || Server::start(program, cores);
        let figures = match (self, self.load()) {
            (Self::BulkFromC, Some(load)) => {
                let [lines, cpu] = client_in_c::run(&start()?, load, time / 4, time)?;
                vec![
                    (Metric::LinesPerSecond, self, lines),
                    (Metric::CpuPerMillionLines, self, cpu),
                ]
            }
            (_, Some(load)) => {
                let sample = load::run(&start()?, load, time / 4, time)?;
                let (p50, p99) = (sample.latency_us(50.0), sample.latency_us(99.0));
                vec![
                    (Metric::LinesPerSecond, self, sample.lines_per_second()),
                    (
                        Metric::CpuPerMillionLines,
                        self,
                        sample.cpu_per_million_lines(),
                    ),
                    (Metric::P50, self, p50),
                    (Metric::P99, self, p99),
                    (Metric::Spread, self, p99 / p50),
                ]
            }
            (Self::Burst, _) => {
                let burst = burst::run(&start()?, MANY)?;
                vec![
                    (Metric::Opened, self, burst.opened_per_second),
                    (Metric::Served, self, burst.served_per_second),
                ]
            }
            (Self::Crowd, _) => {
                let [open, line, close] = crowd::costs(program, cores)?;
                vec![
                    (Metric::CpuToOpen, self, open),
                    (Metric::CpuInTurn, self, line),
                    (Metric::CpuToClose, self, close),
                ]
            }
            (Self::Memory, _) => {
                let server = start()?;
                let mut idle = Idle::open(&server, MANY)?;
                let fresh = idle.bytes_per_connection()?;
                idle.echo_line()?;
                let after_line = idle.bytes_per_connection()?;
                vec![
                    (Metric::MemoryFresh, self, fresh),
                    (Metric::MemoryAfterLine, self, after_line),
                ]
            }
            _ => {
                let counted = |workload: Self| {
                    let load = workload.load()?;
                    let calls =
                        start().and_then(|server| system_calls::per_line(&server, load, time / 2));
                    Some(calls.map(|calls| (Metric::SystemCalls, workload, calls)))
                };
                Self::COUNTED
                    .into_iter()
                    .filter_map(counted)
                    .collect::<io::Result<_>>()?
            }
        };
        Ok(figures)
    }
}
