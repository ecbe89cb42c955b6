//! What came of a load: a summary for people, and one for scripts.

use std::time::Duration;

use hdrhistogram::Histogram;
use linecho_examples::words::counted;
use linecho_std::load::LoadStats;
use serde_json::{Map, Value, json};

use super::{Latencies, LoadOptions};
use crate::bars;
use crate::failure::Failure;
use crate::latency;
use crate::output::{self, Output, millis};
use crate::plot::Titles;
use crate::server::Server;

pub(super) fn titles(server: &Server, options: &LoadOptions, stats: &LoadStats) -> Titles {
    let rate = match options.rate {
        Some(rate) => format!("{rate} lines/s asked for"),
        None => "as fast as they come back".into(),
    };
    Titles {
        title: format!("echo-client load {}", server.place),
        details: format!(
            "{}, {rate}; {} verified",
            what(options),
            counted(stats.lines, "line")
        ),
    }
}

/// Returns what is asked for, in words.
fn what(options: &LoadOptions) -> String {
    format!(
        "{}, {} in flight each, {} a line",
        counted(options.connections, "connection"),
        counted(options.in_flight, "line"),
        counted(options.size, "byte")
    )
}

pub(super) fn print(
    server: &Server,
    options: &LoadOptions,
    stats: &LoadStats,
    latencies: &Latencies,
    output: &Output,
) {
    let seconds = stats.elapsed.as_secs_f64().max(1e-9);
    output.line(&format!(
        "LOAD {}\n{}, {seconds:.1} s\n",
        server.place,
        what(options)
    ));
    output.line(&format!(
        "{} verified, {:.0} lines/s, {:.2} MB/s each way",
        counted(stats.lines, "line"),
        stats.lines as f64 / seconds,
        stats.bytes as f64 / seconds / 1e6
    ));
    let percentiles = |name: &str, it: &Histogram<u64>| {
        let at = |percent| ms(latency::percentile(it, percent));
        output.line(&format!(
            "{name}  p50 {:.3}  p90 {:.3}  p99 {:.3}  p99.9 {:.3}  max {:.3} ms",
            at(50.0),
            at(90.0),
            at(99.0),
            at(99.9),
            at(100.0)
        ));
    };
    match options.rate {
        _ if stats.lines == 0 => {}
        None => percentiles("latency ", &latencies.since_sent),
        Some(_) => {
            percentiles("since due ", &latencies.since_due);
            percentiles("since sent", &latencies.since_sent);
        }
    }
    for line in output::backend_lines(&stats.backends) {
        output.line(&line);
    }
    for (cause, number) in &stats.failures {
        output.line(&format!("{} by {cause}", counted(*number, "failure")));
    }
    if stats.lost + stats.unsent > 0 {
        output.line(&format!(
            "{} lost, {} not sent in time",
            counted(stats.lost, "line"),
            stats.unsent
        ));
    }
    if stats.lines > 0 {
        output.line(&format!("\n{}", bars::of(&latencies.since_due)));
    }
}

pub(super) fn object(
    options: &LoadOptions,
    stats: &LoadStats,
    latencies: &Latencies,
    failure: Option<&Failure>,
) -> Value {
    let failures: Map<_, _> = stats
        .failures
        .iter()
        .map(|(cause, number)| (cause.as_str().to_owned(), json!(number)))
        .collect();
    let percentiles = |it: &Histogram<u64>| match it.is_empty() {
        true => Value::Null,
        false => json!({
            "p50_ms": millis(latency::percentile(it, 50.0)),
            "p90_ms": millis(latency::percentile(it, 90.0)),
            "p99_ms": millis(latency::percentile(it, 99.0)),
            "p999_ms": millis(latency::percentile(it, 99.9)),
            "max_ms": millis(latency::percentile(it, 100.0)),
        }),
    };
    let seconds = stats.elapsed.as_secs_f64().max(1e-9);
    json!({
        "ok": failure.is_none(),
        "cause": failure.map(|it| it.cause.as_str()),
        "error": failure.map(|it| it.text.clone()),
        "connections": options.connections,
        "in_flight": options.in_flight,
        "line_bytes": options.size,
        "rate_per_s": options.rate,
        "elapsed_s": (seconds * 1e3).round() / 1e3,
        "sent": stats.sent,
        "verified": stats.lines,
        "verified_bytes": stats.bytes,
        "lost": stats.lost,
        "unsent": stats.unsent,
        "lines_per_s": (stats.lines as f64 / seconds).round(),
        "connected": stats.connected,
        "backends": output::backends(&stats.backends),
        "failures": stats.failed(),
        "failures_by_cause": failures,
        "since_due": percentiles(&latencies.since_due),
        "since_sent": percentiles(&latencies.since_sent),
    })
}

/// The rate since the text before.
#[derive(Default)]
pub(super) struct Rate {
    lines: u64,
    elapsed: Duration,
}

impl Rate {
    pub(super) fn text(&mut self, stats: &LoadStats) -> String {
        let passed = stats.elapsed.saturating_sub(self.elapsed);
        let rate = (stats.lines - self.lines) as f64 / passed.as_secs_f64().max(1e-9);
        (self.lines, self.elapsed) = (stats.lines, stats.elapsed);
        format!(
            "{:5.1} s  {}  {rate:.0} lines/s  {}",
            stats.elapsed.as_secs_f64(),
            counted(stats.open as u64, "connection"),
            counted(stats.failed(), "failure")
        )
    }
}

pub(super) fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
