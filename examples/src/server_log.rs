//! Log lines of a server: what its observer receives, and what it has done.

use linecho_std::{AcceptPaused, ConnectionInfo, Counters, Observer, Refusal, SessionEnd, Totals};

use crate::log::{Level, Log, Value};

impl Observer for Log {
    fn opened(&self, connection: &ConnectionInfo<'_>) {
        if self.shows(Level::Debug) {
            self.event(Level::Debug, "opened", &ends(connection));
        }
    }

    fn closed(&self, connection: &ConnectionInfo<'_>, end: &SessionEnd) {
        // A balancer that looks every second whether the server is there would fill the log.
        let level = match end.is_health_check() {
            true => Level::Debug,
            false => Level::Info,
        };
        if !self.shows(level) {
            return;
        }
        let mut details = ends(connection);
        details.extend(counters(&end.counters));
        let seconds = end.duration.as_millis() as f64 / 1000.0;
        details.push(("seconds", Value::Seconds(seconds)));
        details.push(("reason", end.reason.to_string().into()));
        self.event(level, "closed", &details);
    }

    fn refused(&self, connection: &ConnectionInfo<'_>, refusal: &Refusal) {
        let mut details = ends(connection);
        details.push(("reason", refusal.to_string().into()));
        self.event(Level::Warning, "refused", &details);
    }

    fn accept_paused(&self, cause: &AcceptPaused) {
        self.event(Level::Warning, &cause.to_string(), &[]);
    }

    fn wants_content(&self) -> bool {
        self.shows(Level::Content)
    }

    fn echoed(&self, connection: &ConnectionInfo<'_>, bytes: &[u8]) {
        let details = [
            ("peer", connection.peer().to_string().into()),
            ("bytes", bytes.len().into()),
            ("content", Value::Content(bytes.into())),
        ];
        self.event(Level::Content, "echoed", &details);
    }
}

/// Both ends of a connection, and the name of its listener if it was given one.
fn ends(connection: &ConnectionInfo<'_>) -> Vec<(&'static str, Value)> {
    let mut details = vec![
        ("peer", connection.peer().to_string().into()),
        ("local", connection.local().to_string().into()),
    ];
    if let Some(relay) = connection.relay() {
        details.push(("relay", relay.to_string().into()));
    }
    let listener = connection.listener();
    if listener.name() != listener.address().to_string() {
        details.push(("listener", listener.name().into()));
    }
    details
}

/// Returns the details of a session.
#[must_use]
pub fn counters(counters: &Counters) -> [(&'static str, Value); 4] {
    [
        ("lines", counters.lines.into()),
        ("overlong", counters.overlong.into()),
        ("bytes_in", counters.bytes_in.into()),
        ("bytes_out", counters.bytes_out.into()),
    ]
}

/// Returns the details of a server: connections so far, by reason, and what the sessions that have
/// ended did.
#[must_use]
pub fn totals(totals: &Totals) -> Vec<(&'static str, Value)> {
    let mut details = vec![("connections", totals.opened.into())];
    details.extend(counters(&totals.counters));
    details.extend([
        ("peer_closed", totals.peer_closed.into()),
        ("idle", totals.idle.into()),
        ("write_stalled", totals.write_stalled.into()),
        ("line_too_long", totals.line_too_long.into()),
        ("reset", totals.reset.into()),
        ("failed", totals.failed.into()),
        ("shutdown", totals.shutdown.into()),
    ]);
    details
}
