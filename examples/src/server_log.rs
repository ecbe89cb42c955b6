//! What a server's observer writes to the log.

use std::net::SocketAddr;

use linecho_std::{AcceptPaused, Observer, SessionEnd};

use crate::log::{Level, Log, Value};

impl Observer for Log {
    fn opened(&self, peer: SocketAddr) {
        if self.level >= Level::Info {
            self.event(Level::Info, "opened", &[("peer", peer.to_string().into())]);
        }
    }

    fn closed(&self, peer: SocketAddr, end: &SessionEnd) {
        if self.level < Level::Info {
            return;
        }
        let counters = &end.counters;
        let seconds = end.duration.as_millis() as f64 / 1000.0;
        self.event(
            Level::Info,
            "closed",
            &[
                ("peer", peer.to_string().into()),
                ("lines", counters.lines.into()),
                ("overlong", counters.overlong.into()),
                ("bytes_in", counters.bytes_in.into()),
                ("bytes_out", counters.bytes_out.into()),
                ("seconds", Value::Seconds(seconds)),
                ("reason", end.reason.to_string().into()),
            ],
        );
    }

    fn accept_paused(&self, cause: &AcceptPaused) {
        self.event(Level::Warning, &cause.to_string(), &[]);
    }

    fn wants_content(&self) -> bool {
        self.level >= Level::Content
    }

    fn echoed(&self, peer: SocketAddr, bytes: &[u8]) {
        let details = [
            ("peer", peer.to_string().into()),
            ("bytes", bytes.len().into()),
            ("content", Value::Content(bytes.into())),
        ];
        self.event(Level::Content, "echoed", &details);
    }
}
