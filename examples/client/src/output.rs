//! The output of the modes: text for people, or JSON, one object a line.

use std::env;
use std::io::{self, IsTerminal as _, Write as _};
use std::process::ExitCode;
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::Duration;

use linecho_examples::words::counted;
use linecho_std::{Backend, Backends, Cause, Identity};
use serde_json::{Map, Value, json};

use crate::failure::Failure;
use crate::options::Mode;

/// The form of the objects. A later one that breaks readers has another number.
const SCHEMA: &str = "linecho-client/1";

/// Set with the summary, which is the last object, also when a signal comes meanwhile.
static ENDED: Mutex<bool> = Mutex::new(false);

/// The output of one mode.
#[derive(Clone, Debug)]
pub(crate) struct Output {
    mode: &'static str,
    pub(crate) json: bool,
}

impl Output {
    pub(crate) fn new(mode: &Option<Mode>, json: bool) -> Self {
        let mode = match mode {
            Some(Mode::Send { .. }) => "send",
            Some(Mode::Check { .. }) => "check",
            Some(Mode::Load { .. }) => "load",
            Some(Mode::Wait { .. }) => "wait",
            Some(Mode::Ping { .. }) => "ping",
            None => "filter",
        };
        Self { mode, json }
    }

    /// Prints a line for people; nothing in JSON.
    pub(crate) fn line(&self, text: &str) {
        if !self.json {
            // Whoever reads may have gone, as in `| head`: the outcome is in the exit code.
            let _ = writeln!(io::stdout(), "{text}");
        }
    }

    /// Prints an object of this type; nothing in text.
    pub(crate) fn object(&self, kind: &str, fields: &Value) {
        if !self.json {
            return;
        }
        let mut ended = ENDED.lock().unwrap_or_else(PoisonError::into_inner);
        if *ended {
            return;
        }
        *ended = kind == "summary";
        let object = object(kind, Some(self.mode), fields);
        match self.mode {
            // Its standard output is what came back.
            "filter" => drop(writeln!(io::stderr(), "{object}")),
            _ => print(&object),
        }
    }

    /// Prints the summary of a mode that a signal ends, in JSON.
    pub(crate) fn interrupted(&self) {
        let cause = Cause::Other.as_str();
        self.object(
            "summary",
            &json!({"ok": false, "cause": cause, "error": "it was interrupted"}),
        );
    }

    /// Says why it failed, in the last object or on stderr.
    pub(crate) fn failed(&self, failure: &Failure) -> ExitCode {
        if !failure.text.is_empty() {
            self.object(
                "summary",
                &json!({"ok": false, "cause": failure.cause.as_str(), "error": failure.text}),
            );
            if !self.json {
                // Not `eprintln!`, which panics when stderr is closed.
                let _ = writeln!(io::stderr(), "echo-client: {failure}");
            }
        }
        match failure.cause {
            Cause::Usage => ExitCode::from(2),
            _ => ExitCode::FAILURE,
        }
    }
}

/// Colours that tell more than the words they are on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Colour {
    Red = 31,
    Green = 32,
    Yellow = 33,
}

/// Colours a word on a terminal that has colours, unless `NO_COLOR` is set (<https://no-color.org>).
pub(crate) fn paint(word: &str, colour: Colour) -> String {
    static IS_WANTED: LazyLock<bool> = LazyLock::new(|| {
        let is_set = |name| env::var_os(name).is_some_and(|value| !value.is_empty());
        let is_dumb = env::var_os("TERM").is_none_or(|term| term == "dumb");
        io::stdout().is_terminal() && !is_dumb && !is_set("NO_COLOR")
    });
    match *IS_WANTED {
        true => format!("\x1b[{}m{word}\x1b[0m", colour as u8),
        false => word.into(),
    }
}

/// Makes an object of this type.
pub(crate) fn object(kind: &str, mode: Option<&str>, fields: &Value) -> Value {
    let mut object = Map::new();
    object.insert("schema".into(), SCHEMA.into());
    object.insert("type".into(), kind.into());
    object.insert("mode".into(), mode.into());
    if let Value::Object(fields) = fields {
        object.extend(fields.clone());
    }
    Value::Object(object)
}

/// Prints an object in a line. Whoever reads may have gone, as in `| head`.
pub(crate) fn print(object: &Value) {
    let _ = writeln!(io::stdout(), "{object}");
}

/// The words of a summary for wrong usage.
pub(crate) fn wrong_usage(text: &str) -> Value {
    json!({"ok": false, "cause": Cause::Usage.as_str(), "error": text})
}

/// A server that has identified itself, as JSON; null if it has not.
pub(crate) fn backend(identity: Option<&Identity>) -> Value {
    identity.map_or(Value::Null, |it| backend_object(&it.backend).into())
}

/// All servers that have answered, and how much, as JSON.
pub(crate) fn backends(backends: &Backends) -> Value {
    let all = backends.iter().map(|it| {
        let mut object = backend_object(&it.backend);
        object.insert("connections".into(), it.connections.into());
        object.insert("lines".into(), it.lines.into());
        object
    });
    all.collect()
}

fn backend_object(backend: &Backend) -> Map<String, Value> {
    let mut object = Map::new();
    object.insert("name".into(), (&*backend.name).into());
    object.insert("version".into(), (&*backend.version).into());
    object.insert("address".into(), (&*backend.address).into());
    object
}

/// All servers that have answered, and how much, in lines for people.
pub(crate) fn backend_lines(backends: &Backends) -> Vec<String> {
    let line = |it: &linecho_std::Served| {
        let (lines, connections) = (it.lines, it.connections);
        format!(
            "{} by {} on {}",
            counted(lines, "line"),
            it.backend,
            counted(connections, "connection")
        )
    };
    backends.iter().map(line).collect()
}

/// A time as JSON, in milliseconds.
pub(crate) fn millis(time: Duration) -> Value {
    // Rounded to nanoseconds, which reads better than all digits.
    json!((time.as_secs_f64() * 1e9).round() / 1e6)
}
