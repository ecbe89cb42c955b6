//! Logs on stderr, for people or for machines.

mod value;

use std::error::Error;
use std::fmt::Write as _;
use std::io;
use std::time::{Duration, SystemTime};

use clap::ValueEnum;

pub use self::value::Value;
use crate::outlet::{Dropped, Outlet};

/// The format of the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Time, event and `name=value` pairs in a line
    #[default]
    Text,
    /// A JSON object in a line
    Json,
}

/// The importance of an event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// The program ends because of it.
    Error,
    /// Somebody may have to do something about it.
    Warning,
    /// The events that a server is there for.
    #[default]
    Info,
    /// Events that help to find a fault.
    Debug,
    /// The bytes that peers send. They may be private.
    Content,
}

/// Writes events to stderr, one a line, and never waits for its reader: lines that find no room are
/// dropped, and as soon as somebody reads again, one line says how many were.
#[derive(Clone, Debug)]
pub struct Log {
    format: Format,
    level: Level,
    outlet: Outlet,
}

/// The bytes of log lines that may wait to be written.
const CAPACITY: usize = 256 * 1024;
/// The longest waits of the program's end for a reader that takes nothing, and for one that is
/// slow.
const LAST_WAIT: Duration = Duration::from_millis(200);
const LONGEST_LAST_WAIT: Duration = Duration::from_secs(1);

impl Log {
    /// Starts a log without the events that matter less than `level`.
    ///
    /// # Errors
    ///
    /// When the system has no thread left.
    pub fn start(format: Format, level: Level) -> io::Result<Self> {
        let dropped = move |dropped: Dropped| {
            let details = [("lines", dropped.items.into())];
            let event = "log lines were dropped, since nobody read them";
            line(format, Level::Warning, event, &details).into()
        };
        let outlet = Outlet::start("log", CAPACITY, || Ok(io::stderr()), dropped)?;
        Ok(Self {
            format,
            level,
            outlet,
        })
    }

    /// Returns a log that writes nothing.
    ///
    /// # Errors
    ///
    /// When the system has no thread left.
    pub fn nowhere() -> io::Result<Self> {
        let outlet = Outlet::start("log", CAPACITY, || Ok(io::sink()), |_| Vec::new())?;
        Ok(Self {
            format: Format::Text,
            level: Level::Error,
            outlet,
        })
    }

    /// Returns `true` if events of this level are logged.
    #[must_use]
    pub fn shows(&self, level: Level) -> bool {
        level <= self.level
    }

    /// Logs an event with its details, which hold no control characters.
    pub fn event(&self, level: Level, event: &str, details: &[(&str, Value)]) {
        if self.shows(level) {
            self.outlet
                .push(line(self.format, level, event, details).into());
        }
    }

    /// Logs what somebody has asked for just now, at every level.
    pub fn answer(&self, event: &str, details: &[(&str, Value)]) {
        self.outlet
            .push(line(self.format, Level::Info, event, details).into());
    }

    /// Writes text for people, who read a log in the text format that is not quiet.
    pub fn text(&self, text: &str) {
        if self.format == Format::Text && self.shows(Level::Info) {
            self.outlet.push(text.into());
        }
    }

    /// Logs an event in the JSON format only, since people read the same elsewhere.
    pub fn json(&self, event: &str, details: &[(&str, Value)]) {
        if self.format == Format::Json {
            self.event(Level::Info, event, details);
        }
    }

    /// Tells why a program ends.
    pub fn failure(&self, program: &str, error: &dyn Error) {
        match self.format {
            Format::Text => self.outlet.push(format!("{program}: {error}\n").into()),
            Format::Json => {
                let details = [("error", error.to_string().into())];
                self.event(Level::Error, &format!("{program} failed"), &details);
            }
        }
    }

    /// Returns how many lines were dropped because nobody read them.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.outlet.dropped()
    }

    /// Waits until everything is written, but not for a reader that takes nothing.
    pub fn finish(&self) {
        // What could not be written is lost: nobody is there to read it.
        let _ = self.outlet.finish(LAST_WAIT, LONGEST_LAST_WAIT);
    }
}

fn line(format: Format, level: Level, event: &str, details: &[(&str, Value)]) -> String {
    let time = humantime::format_rfc3339_millis(SystemTime::now()).to_string();
    match format {
        Format::Text => text(&time, level, event, details),
        Format::Json => json(&time, level, event, details),
    }
}

fn text(time: &str, level: Level, event: &str, details: &[(&str, Value)]) -> String {
    let mark = match level {
        Level::Error => "error: ",
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
        Level::Error => "error",
        Level::Warning => "warning",
        Level::Info => "info",
        Level::Debug => "debug",
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
