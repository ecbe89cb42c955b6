//! Hostile peers of a running server, beside honest ones.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use linecho_tests::bench::estimate::Estimate;
use linecho_tests::bench::report::{Bound, Cell, Column, Limit, Report, Row, Section, short};
use linecho_tests::hostile::{self, Adapter, Outcome};

/// Has hostile peers beset a server, and fails when its honest ones notice.
///
/// Two servers run in a network namespace of their own. Both have honest clients, which send lines
/// at fixed times and verify every byte. One of them has hostile ones as well: slow readers, silent
/// ones, writers of single bytes, ones that reset, ones that half-close, floods of connections past
/// the limit of file descriptors (or of slots), floods of SYNs from addresses that do not answer.
/// Twice, both servers are restarted: with a drain, and on std by a takeover. Exits 1 when an
/// honest client lost something, a descriptor leaked, memory grew by more than 1 MiB after the
/// first flood, or the honest clients' 99th percentile, from when a line was due, is more than 3
/// times that of the other server at the same moments.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// How long it takes, for example 10m
    #[arg(long, value_name = "TIME", default_value = "2m", value_parser = humantime::parse_duration)]
    duration: Duration,

    /// What serves: echo-server, or echo-tap
    #[arg(long, value_name = "ADAPTER", default_value = "std")]
    adapter: Adapter,

    /// What hostile peers do follows from this, as far as time allows
    #[arg(long, value_name = "SEED", default_value_t = 1)]
    seed: u64,

    /// Write the figures to this file, as JSON
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
}

pub(crate) fn soak(arguments: &Arguments) -> io::Result<Report> {
    let outcome = hostile::run(arguments.adapter, arguments.duration, arguments.seed)?;
    Ok(report(&outcome))
}

fn report(outcome: &Outcome) -> Report {
    let row = |id: &str, title: &str, value: f64| Row {
        id: id.into(),
        title: title.into(),
        cells: vec![Cell {
            value,
            text: short(value),
            ratio: None,
        }],
    };
    let millis = |time: Duration| time.as_secs_f64() * 1e3;
    let did = &outcome.did;
    let honest = &outcome.honest;
    let calm = &outcome.unmolested;
    let bound = |what: &str, reached: f64, most: f64| Bound {
        what: what.into(),
        reached: Estimate::exact(reached),
        limit: Limit::AtMost(most),
    };
    let ratio = millis(honest.p99()) / millis(calm.p99()).max(1e-3);
    let mebibytes = outcome.growth as f64 / f64::from(1 << 20);
    Report {
        sections: vec![Section {
            title: "what happened".into(),
            columns: vec![Column {
                id: "total".into(),
                title: "total".into(),
            }],
            rows: vec![
                row("flooded", "connections in floods", did.flooded as f64),
                row("refused", "of them refused at once", did.refused as f64),
                row("syns", "SYNs without an answer", did.syns as f64),
                row("silent", "silent peers", did.silent as f64),
                row("slow", "slow readers", did.slow as f64),
                row("single", "writers of single bytes", did.single as f64),
                row("reset", "resets", did.reset as f64),
                row("half_closed", "half-closes", did.half_closed as f64),
                row("half_wrong", "of them served wrong", did.wrong as f64),
                row("restarts", "restarts", outcome.restarts as f64),
                row("lines", "honest lines", honest.lines as f64),
                row("bytes", "honest bytes", honest.bytes as f64),
                row(
                    "again",
                    "lines asked again after a drain",
                    honest.again as f64,
                ),
                row("lost", "lost by honest clients", honest.lost.len() as f64),
                row("p50", "their median, ms", millis(honest.p50())),
                row("p99", "their 99th percentile, ms", millis(honest.p99())),
                row("calm_p50", "unmolested: median, ms", millis(calm.p50())),
                row(
                    "calm_p99",
                    "unmolested: 99th percentile, ms",
                    millis(calm.p99()),
                ),
                row(
                    "memory",
                    "memory at the end, MiB",
                    outcome.memory as f64 / 1048576.0,
                ),
            ],
        }],
        bounds: vec![
            bound(
                "losses of honest clients",
                (honest.lost.len() + calm.lost.len()) as f64 + did.wrong as f64,
                0.0,
            ),
            bound("memory since the first flood, MiB", mebibytes, 1.0),
            bound("descriptors leaked", outcome.leaked as f64, 0.0),
            bound("p99 of honest clients, ratio to the unmolested", ratio, 3.0),
        ],
    }
}
