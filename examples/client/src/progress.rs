//! One line on a terminal that tells how far a mode is, and is gone in the end.

use std::io::{self, IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

use crate::output::Output;

/// The pause between two texts.
const PAUSE: Duration = Duration::from_millis(200);

/// A line on stderr that is written over again and again. Where stderr is no terminal, or the
/// output is JSON, there is none.
#[derive(Debug)]
pub(crate) struct Progress {
    is_possible: bool,
    shown: Option<Instant>,
}

impl Progress {
    pub(crate) fn new(output: &Output) -> Self {
        Self {
            is_possible: !output.json && io::stderr().is_terminal(),
            shown: None,
        }
    }

    /// Shows a text, unless the last one is too fresh.
    pub(crate) fn show(&mut self, text: impl FnOnce() -> String) {
        if !self.is_possible || self.shown.is_some_and(|shown| shown.elapsed() < PAUSE) {
            return;
        }
        self.shown = Some(Instant::now());
        let _ = write!(io::stderr(), "\r\x1b[K{}", text());
    }

    /// Makes room for other output, or for the end.
    pub(crate) fn erase(&mut self) {
        if self.shown.take().is_some() {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}
