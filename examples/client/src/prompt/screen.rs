//! What is printed while a line is being typed, and between two lines.

use std::io::{self, Write as _};
use std::mem;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use rustyline::ExternalPrinter;

/// The time that the next prompt waits for the reply to the last line. It is short, since the
/// terminal shows keys that are typed meanwhile by itself.
const REPLY: Duration = Duration::from_millis(20);
/// The time that the end waits for what was given to the editor.
const LAST: Duration = Duration::from_millis(500);

/// The screen, as the editor and the connection share it.
///
/// A reply that comes before the next prompt is printed before it: lines that were typed ahead, or
/// pasted, then alternate with their replies. A later one is given to the editor, which prints it
/// above the line that is being typed.
pub(super) struct Screen {
    state: Mutex<State>,
    changed: Condvar,
    above: Sender<String>,
}

#[derive(Default)]
struct State {
    is_editing: bool,
    /// Lines whose replies are still to come.
    unanswered: usize,
    /// Texts for the time after the editor.
    waiting: String,
    /// Texts that the editor's printer has not taken.
    given: usize,
}

impl Screen {
    /// Starts the thread that gives texts to the editor. The editor takes them while it waits for
    /// keys, so that its printer may block.
    pub(super) fn start(
        mut printer: impl ExternalPrinter + Send + 'static,
    ) -> io::Result<Arc<Self>> {
        let (above, texts) = channel();
        let screen = Arc::new(Self {
            state: Mutex::default(),
            changed: Condvar::new(),
            above,
        });
        let ours = Arc::downgrade(&screen);
        let give = move || {
            for text in texts {
                // An editor that is gone shows nothing.
                let _ = printer.print(text);
                let Some(screen) = ours.upgrade() else {
                    return;
                };
                screen.state().given -= 1;
                screen.changed.notify_all();
            }
        };
        thread::Builder::new().name("printer".into()).spawn(give)?;
        Ok(screen)
    }

    /// Notes that so many lines were typed.
    pub(super) fn sent(&self, lines: usize) {
        self.state().unanswered += lines;
    }

    /// Prints the reply to a line.
    pub(super) fn reply(&self, text: String) {
        let mut state = self.state();
        state.unanswered = state.unanswered.saturating_sub(1);
        match state.is_editing {
            true => {
                state.given += 1;
                // The thread lives as long as this.
                let _ = self.above.send(text);
            }
            false => state.waiting += &text,
        }
        self.changed.notify_all();
    }

    /// Prints a text before the next prompt.
    pub(super) fn tell(&self, text: &str) {
        self.state().waiting += text;
    }

    /// Prints what is to stand before the next prompt, and leaves the screen to the editor.
    pub(super) fn edit(&self) {
        let state = self.state();
        let mut state = self.wait(state, REPLY, |state| state.unanswered > 0);
        flush(&mut state);
        state.is_editing = true;
    }

    /// Takes the screen back from the editor.
    pub(super) fn leave(&self) {
        self.state().is_editing = false;
    }

    /// Prints the rest.
    pub(super) fn finish(&self) {
        let state = self.state();
        let mut state = self.wait(state, LAST, |state| state.given > 0);
        flush(&mut state);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(
        &self,
        state: MutexGuard<'a, State>,
        limit: Duration,
        condition: impl Fn(&State) -> bool,
    ) -> MutexGuard<'a, State> {
        let waited = self
            .changed
            .wait_timeout_while(state, limit, |state| condition(state));
        waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

fn flush(state: &mut State) {
    // A terminal that is gone shows nothing.
    let _ = io::stdout().write_all(mem::take(&mut state.waiting).as_bytes());
    let _ = io::stdout().flush();
}
