//! What a server's observer writes to the log.

use linecho_std::{AcceptPaused, ConnectionInfo, Observer, Refusal, SessionEnd};

use crate::log::{Level, Log, Value};

impl Observer for Log {
    fn opened(&self, connection: &ConnectionInfo<'_>) {
        if self.level >= Level::Info {
            self.event(Level::Info, "opened", &ends(connection));
        }
    }

    fn closed(&self, connection: &ConnectionInfo<'_>, end: &SessionEnd) {
        // A balancer that looks every second whether the server is there would fill the log.
        let level = match end.is_health_check() {
            true => Level::Detail,
            false => Level::Info,
        };
        if self.level < level {
            return;
        }
        let counters = &end.counters;
        let seconds = end.duration.as_millis() as f64 / 1000.0;
        let mut details = ends(connection);
        details.extend([
            ("lines", counters.lines.into()),
            ("overlong", counters.overlong.into()),
            ("bytes_in", counters.bytes_in.into()),
            ("bytes_out", counters.bytes_out.into()),
            ("seconds", Value::Seconds(seconds)),
            ("reason", end.reason.to_string().into()),
        ]);
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
        self.level >= Level::Content
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
    let listener = connection.listener();
    if listener.name() != listener.address().to_string() {
        details.push(("listener", listener.name().into()));
    }
    details
}
