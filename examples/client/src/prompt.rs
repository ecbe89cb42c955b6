//! By hand: a line editor with a history, and the echoes above it. The connection is watched
//! meanwhile.

mod screen;

use std::io::{self, Read, Write as _};
use std::sync::Arc;

use linecho_std::{Cause, Client, Input};
use rustyline::DefaultEditor;
use rustyline::error::ReadlineError;

use crate::Outcome;
use crate::failure::Failure;
use crate::output::Output;
use crate::server::Server;
use screen::Screen;

pub(crate) fn run(server: &Server, output: &Output) -> Outcome {
    if output.json {
        return Err(Failure {
            cause: Cause::Usage,
            text: "the prompt is for people: --json is for a pipe or a mode".into(),
        });
    }
    let mut client = server.connect()?;
    writeln!(
        io::stdout(),
        "Connected to {}. Enter echoes a line, Ctrl-D ends.",
        client.peer()?
    )?;
    let terminal = Terminal::save();
    suspension::leave_to_editor()?;
    let mut editor = DefaultEditor::new().map_err(failed)?;
    let printer = editor.create_external_printer().map_err(failed)?;
    let screen = Screen::start(printer)?;
    let mut input = client.input(Lines {
        editor,
        screen: Arc::clone(&screen),
        line: io::Cursor::default(),
    })?;
    let result = exchange(server, &mut client, &mut input, &screen);
    screen.finish();
    // The editor may still wait for keys in its thread.
    terminal.restore();
    if result.is_err() {
        // The message gets a line of its own.
        writeln!(io::stdout())?;
    }
    result
}

fn exchange(server: &Server, client: &mut Client, input: &mut Input, screen: &Screen) -> Outcome {
    while let Some(mut line) = client.next_line(input)? {
        line.extend(server.carriage_return());
        let round_trip = client.echo(&line)?;
        let text = String::from_utf8_lossy(line.strip_suffix(b"\r").unwrap_or(&line));
        let millis = round_trip.as_secs_f64() * 1e3;
        screen.reply(format!("{}   ({millis:.3} ms)\n", harmless(&text)));
    }
    Ok(())
}

fn failed(error: ReadlineError) -> Failure {
    io::Error::other(error).into()
}

/// Text that cannot drive the terminal: characters that move the cursor, change colours or the
/// direction of writing are shown as their codes.
fn harmless(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        // UAX #9, 2: explicit directional formatting characters.
        let turns = matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        match c {
            '\t' => shown.push(c),
            _ if c.is_ascii_control() => shown += &format!("\\x{:02x}", u32::from(c)),
            _ if c.is_control() || turns => shown.extend(c.escape_unicode()),
            _ => shown.push(c),
        }
    }
    shown
}

/// Lines from the editor as bytes.
struct Lines {
    editor: DefaultEditor,
    screen: Arc<Screen>,
    /// The line that is being read.
    line: io::Cursor<Vec<u8>>,
}

impl Read for Lines {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.line.read(buffer)?;
        if n > 0 || buffer.is_empty() {
            return Ok(n);
        }
        let Some(line) = self.edit()? else {
            return Ok(0);
        };
        // A history that takes no more is no reason to stop.
        let _ = self.editor.add_history_entry(&line);
        // A paste may have several lines, and end with one.
        let line = (line.strip_suffix('\n').unwrap_or(&line).to_owned() + "\n").into_bytes();
        self.screen
            .sent(line.iter().filter(|byte| **byte == b'\n').count());
        self.line = io::Cursor::new(line);
        self.line.read(buffer)
    }
}

impl Lines {
    fn edit(&mut self) -> io::Result<Option<String>> {
        suspension::take()?;
        loop {
            self.screen.edit();
            let line = self.editor.readline("> ");
            self.screen.leave();
            return match line {
                Ok(line) => Ok(Some(line)),
                Err(ReadlineError::Eof | ReadlineError::Interrupted) => Ok(None),
                Err(ReadlineError::Io(error)) if error.kind() == io::ErrorKind::InvalidData => {
                    self.screen.tell("That was not UTF-8, and was dropped.\n");
                    continue;
                }
                Err(error) => Err(io::Error::other(error)),
            };
        }
    }
}

/// The modes of the terminal, which an editor changes while it waits.
struct Terminal {
    #[cfg(unix)]
    modes: Option<nix::sys::termios::Termios>,
}

impl Terminal {
    fn save() -> Self {
        Self {
            #[cfg(unix)]
            modes: nix::sys::termios::tcgetattr(io::stdin()).ok(),
        }
    }

    fn restore(&self) {
        #[cfg(unix)]
        if let Some(modes) = &self.modes {
            use nix::sys::termios::{SetArg, tcsetattr};
            // A terminal that is gone needs no modes.
            let _ = tcsetattr(io::stdin(), SetArg::TCSADRAIN, modes);
        }
    }
}

/// Ctrl-Z must stop the process while the editor has put the terminal in order, and let it draw the
/// line again afterwards: so only the editor's thread takes the signal. Any other would stop the
/// process while the editor already goes on.
mod suspension {
    use std::io;

    #[cfg(unix)]
    fn signal() -> nix::sys::signal::SigSet {
        let mut signals = nix::sys::signal::SigSet::empty();
        signals.add(nix::sys::signal::Signal::SIGTSTP);
        signals
    }

    /// For this thread, and those that it starts.
    pub(super) fn leave_to_editor() -> io::Result<()> {
        #[cfg(unix)]
        signal().thread_block()?;
        Ok(())
    }

    pub(super) fn take() -> io::Result<()> {
        #[cfg(unix)]
        signal().thread_unblock()?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::harmless;

    #[test]
    fn characters_that_drive_a_terminal_are_shown_as_codes() {
        for (text, shown) in [
            ("grün\t日本", "grün\t日本"),
            ("\x1b[2J\x07\r", "\\x1b[2J\\x07\\x0d"),
            ("\x7f\u{9b}31m", "\\x7f\\u{9b}31m"),
            ("abc\u{202e}fed", "abc\\u{202e}fed"),
        ] {
            assert_eq!(harmless(text), shown);
        }
    }
}
