//! The metrics, in the text format of openmetrics.io, version 1.0.

use std::fmt::{Display, Write as _};

use linecho_examples::log::Log;
use linecho_std::Handle;

pub(crate) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Returns all metrics.
pub(crate) fn text(server: &Handle, log: &Log) -> String {
    let (totals, accepts) = (server.totals(), server.accept_counters());
    let counters = &totals.counters;
    let mut text = Text::default();
    text.gauge(
        "connections",
        "Connections that are open.",
        server.connections() as u64,
    );
    text.gauge(
        "ready",
        "1 until the server is about to end.",
        u64::from(!server.is_leaving()),
    );
    text.gauge(
        "longest_turn_seconds",
        "Longest wait of a line for its worker in the last 15 s.",
        server.longest_turn().as_secs_f64(),
    );
    text.counter(
        "sessions_opened",
        "Sessions that began.",
        &[("", totals.opened)],
    );
    let reasons = [
        ("peer_closed", totals.peer_closed),
        ("idle", totals.idle),
        ("write_stalled", totals.write_stalled),
        ("line_too_long", totals.line_too_long),
        ("reset", totals.reset),
        ("failed", totals.failed),
        ("shutdown", totals.shutdown),
    ]
    .map(|(reason, count)| (format!("{{reason=\"{reason}\"}}"), count));
    text.counter(
        "sessions_closed",
        "Sessions that ended, by reason.",
        &reasons,
    );
    text.counter(
        "lines",
        "Lines whose newline arrived.",
        &[("", counters.lines)],
    );
    text.counter(
        "overlong_lines",
        "Lines that did not fit in the line buffer.",
        &[("", counters.overlong)],
    );
    text.counter(
        "received_bytes",
        "Bytes taken from peers.",
        &[("", counters.bytes_in)],
    );
    text.counter(
        "echoed_bytes",
        "Bytes that went back to peers.",
        &[("", counters.bytes_out)],
    );
    text.counter(
        "accept_pauses",
        "Pauses in accepting, by reason.",
        &[
            ("{reason=\"max_connections\"}", accepts.pauses_at_limit),
            ("{reason=\"error\"}", accepts.pauses_after_error),
        ],
    );
    text.counter(
        "refused_connections",
        "Connections that were refused before their session began, by reason.",
        &[
            ("{reason=\"max_per_peer\"}", accepts.over_peer_limit),
            ("{reason=\"proxy_header\"}", accepts.without_proxy_header),
        ],
    );
    text.counter(
        "dropped_log_lines",
        "Log lines that nobody read in time.",
        &[("", log.dropped())],
    );
    text.0.push_str("# EOF\n");
    text.0
}

#[derive(Default)]
struct Text(String);

impl Text {
    fn gauge(&mut self, name: &str, help: &str, value: impl Display) {
        self.head(name, help, "gauge");
        // Writing to a string does not fail.
        let _ = writeln!(self.0, "linecho_{name} {value}");
    }

    fn counter(&mut self, name: &str, help: &str, values: &[(impl AsRef<str>, u64)]) {
        self.head(name, help, "counter");
        for (labels, value) in values {
            let _ = writeln!(self.0, "linecho_{name}_total{} {value}", labels.as_ref());
        }
    }

    fn head(&mut self, name: &str, help: &str, kind: &str) {
        let _ = writeln!(
            self.0,
            "# TYPE linecho_{name} {kind}\n# HELP linecho_{name} {help}"
        );
    }
}
