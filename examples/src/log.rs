//! Logs on stderr, for people or for machines.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::time::SystemTime;

use clap::ValueEnum;
use serde_json::{Map, Value};

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
    let mark = if level == Level::Warning {
        "warning: "
    } else {
        ""
    };
    let mut line = format!("{time} {mark}{event}");
    for (name, value) in details {
        // Writing to a string does not fail.
        let _ = match value.as_str() {
            Some(text) if text.contains(' ') => write!(line, " {name}=\"{text}\""),
            Some(text) => write!(line, " {name}={text}"),
            None => write!(line, " {name}={value}"),
        };
    }
    line.push('\n');
    line
}

fn json(time: &str, level: Level, event: &str, details: &[(&str, Value)]) -> String {
    let name = match level {
        Level::Warning => "warning",
        Level::Info => "info",
        Level::Detail => "detail",
        Level::Content => "content",
    };
    let head = [("time", time), ("level", name), ("event", event)];
    let head = head.map(|(name, text)| (name.to_string(), text.into()));
    let details = details
        .iter()
        .map(|(name, value)| (name.to_string(), value.clone()));
    let mut line =
        Value::Object(head.into_iter().chain(details).collect::<Map<_, _>>()).to_string();
    line.push('\n');
    line
}

/// Bytes as printable text: `\n`, `\xff` and the like for what is not, and cut after `most` bytes.
#[must_use]
pub fn escaped(bytes: &[u8], most: usize) -> String {
    let shown = &bytes[..bytes.len().min(most)];
    let mut text = shown.escape_ascii().to_string();
    if shown.len() < bytes.len() {
        let _ = write!(text, "... ({} bytes more)", bytes.len() - shown.len());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIME: &str = "2026-01-02T03:04:05.678Z";

    fn details() -> [(&'static str, Value); 3] {
        [
            ("peer", "[::1]:7".into()),
            ("lines", 3.into()),
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
        let value: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(value["time"], TIME);
        assert_eq!(value["level"], "warning");
        assert_eq!(value["event"], "closed");
        assert_eq!(value["lines"], 3);
        assert_eq!(value["reason"], "peer closed");
        assert_eq!(line.matches('\n').count(), 1);
    }

    #[test]
    fn content_is_escaped_and_cut() {
        assert_eq!(escaped(b"a\0\xff\"\n", 10), r#"a\x00\xff\"\n"#);
        assert_eq!(escaped(b"abcdef", 4), "abcd... (2 bytes more)");
    }
}
