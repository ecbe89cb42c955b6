//! Hostile peers of a running server, beside honest ones.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use linecho_tests::bench::estimate::Estimate;
use linecho_tests::bench::report::{Bound, Limit, Report, Row, Section};
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
        sections: vec![Section::totals(
            "what happened".into(),
            vec![
                Row::total("flooded", "connections in floods", did.flooded as f64),
                Row::total("refused", "of them refused at once", did.refused as f64),
                Row::total("syns", "SYNs without an answer", did.syns as f64),
                Row::total("silent", "silent peers", did.silent as f64),
                Row::total("slow", "slow readers", did.slow as f64),
                Row::total("single", "writers of single bytes", did.single as f64),
                Row::total("reset", "resets", did.reset as f64),
                Row::total("half_closed", "half-closes", did.half_closed as f64),
                Row::total("half_wrong", "of them served wrong", did.wrong as f64),
                Row::total("restarts", "restarts", outcome.restarts as f64),
                Row::total("lines", "honest lines", honest.lines as f64),
                Row::total("bytes", "honest bytes", honest.bytes as f64),
                Row::total(
                    "again",
                    "lines asked again after a drain",
                    honest.again as f64,
                ),
                Row::total("lost", "lost by honest clients", honest.lost.len() as f64),
                Row::total("p50", "their median, ms", millis(honest.p50())),
                Row::total("p99", "their 99th percentile, ms", millis(honest.p99())),
                Row::total("calm_p50", "unmolested: median, ms", millis(calm.p50())),
                Row::total(
                    "calm_p99",
                    "unmolested: 99th percentile, ms",
                    millis(calm.p99()),
                ),
                Row::total(
                    "memory",
                    "memory at the end, MiB",
                    outcome.memory as f64 / 1048576.0,
                ),
            ],
        )],
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
