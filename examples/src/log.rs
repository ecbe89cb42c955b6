//! Logs on stderr, for people or for machines.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::time::SystemTime;

use clap::ValueEnum;

pub use self::value::Value;

mod value;

/// How an event is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Time, event and `name=value` pairs in a line
    #[default]
    Text,
    /// A JSON object in a line
    Json,
}

/// How much an event matters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Somebody may have to do something about it.
    Warning,
    /// What a server is there for.
    #[default]
    Info,
    /// What helps to find out why something is as it is.
    Detail,
    /// What peers send. It may be private.
    Content,
}

/// Writes events to stderr, one a line.
#[derive(Clone, Copy, Debug, Default)]
pub struct Log {
    /// How events are written.
    pub format: Format,
    /// Events that matter less are left out.
    pub level: Level,
}

impl Log {
    /// Writes an event with its details, which hold no control characters. One that cannot be written is lost: a server does not stop
    /// because nobody reads its log.
    pub fn event(&self, level: Level, event: &str, details: &[(&str, Value)]) {
        if level <= self.level {
            let time = humantime::format_rfc3339_millis(SystemTime::now()).to_string();
            let line = match self.format {
                Format::Text => text(&time, level, event, details),
                Format::Json => json(&time, level, event, details),
            };
            let _ = io::stderr().lock().write_all(line.as_bytes());
        }
    }
}

fn text(time: &str, level: Level, event: &str, details: &[(&str, Value)]) -> String {
    let mark = match level {
        Level::Warning => "warning: ",
        _ => "",
    };
    let mut line = format!("{time} {mark}{event}");
    for (name, value) in details {
        // Writing to a string does not fail.
        let _ = write!(line, " {name}={value}");
    }
    line.push('\n');
    line
}

fn json(time: &str, level: Level, event: &str, details: &[(&str, Value)]) -> String {
    let level = match level {
        Level::Warning => "warning",
        Level::Info => "info",
        Level::Detail => "detail",
        Level::Content => "content",
    };
    let mut line = String::new();
    let head = [("time", time), ("level", level), ("event", event)];
    for (name, text) in head {
        let _ = write!(line, ",\"{name}\":{}", Value::from(text).json());
    }
    for (name, value) in details {
        let _ = write!(line, ",\"{name}\":{}", value.json());
    }
    line.replace_range(..1, "{");
    line.push_str("}\n");
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIME: &str = "2026-01-02T03:04:05.678Z";

    fn details() -> [(&'static str, Value); 3] {
        [
            ("peer", "[::1]:7".into()),
            ("lines", 3_u64.into()),
            ("reason", "peer closed".into()),
        ]
    }

    #[test]
    fn text_is_for_people() {
        let line = text(TIME, Level::Info, "closed", &details());
        assert_eq!(
            line,
            "2026-01-02T03:04:05.678Z closed peer=[::1]:7 lines=3 reason=\"peer closed\"\n"
        );
        assert!(text(TIME, Level::Warning, "cut", &[]).ends_with(" warning: cut\n"));
    }

    #[test]
    fn json_is_for_machines() {
        let line = json(TIME, Level::Warning, "closed", &details());
        assert!(line.starts_with("{\"time\":"), "{line}");
        let value: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(value["time"], TIME);
        assert_eq!(value["level"], "warning");
        assert_eq!(value["event"], "closed");
        assert_eq!(value["lines"], 3);
        assert_eq!(value["reason"], "peer closed");
        assert_eq!(line.matches('\n').count(), 1);
    }
}
