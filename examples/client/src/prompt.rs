//! By hand: a line editor with a history, and the echoes above it. The connection is watched
//! meanwhile.

use std::io::{self, Read, Write as _};

use linecho_std::{Client, Input};
use rustyline::error::ReadlineError;
use rustyline::{DefaultEditor, ExternalPrinter};

use crate::Outcome;
use crate::failure::Failure;
use crate::server::Server;

pub(crate) fn run(server: &Server) -> Outcome {
    let mut client = server.connect()?;
    writeln!(
        io::stdout(),
        "Connected to {}. Enter echoes a line, Ctrl-D ends.",
        client.peer_addr()?
    )?;
    let terminal = Terminal::save();
    suspension::leave_to_editor()?;
    let mut editor = DefaultEditor::new().map_err(failed)?;
    let mut printer = editor.create_external_printer().map_err(failed)?;
    let mut input = client.input(Lines {
        editor,
        line: Vec::new(),
    })?;
    let result = exchange(server, &mut client, &mut input, &mut printer);
    // The editor may still wait for keys in its thread.
    terminal.restore();
    if result.is_err() {
        // The message gets a line of its own.
        writeln!(io::stdout())?;
    }
    result
}

fn exchange(
    server: &Server,
    client: &mut Client,
    input: &mut Input,
    printer: &mut impl ExternalPrinter,
) -> Outcome {
    while let Some(mut line) = client.next_line(input)? {
        line.extend(server.carriage_return());
        let round_trip = client.echo(&line)?;
        let text = String::from_utf8_lossy(line.strip_suffix(b"\r").unwrap_or(&line));
        let millis = round_trip.as_secs_f64() * 1e3;
        let echo = format!("{text}   ({millis:.3} ms)\n");
        printer.print(echo).map_err(failed)?;
    }
    Ok(())
}

fn failed(error: ReadlineError) -> Failure {
    io::Error::other(error).into()
}

/// Lines from the editor as bytes.
struct Lines {
    editor: DefaultEditor,
    /// The bytes of the line that are not read yet, in reverse.
    line: Vec<u8>,
}

impl Read for Lines {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.line.is_empty() {
            suspension::take()?;
            let line = match self.editor.readline("> ") {
                Ok(line) => line,
                Err(ReadlineError::Eof | ReadlineError::Interrupted) => return Ok(0),
                Err(error) => return Err(io::Error::other(error)),
            };
            // A history that takes no more is no reason to stop.
            let _ = self.editor.add_history_entry(&line);
            self.line = [line.as_bytes(), b"\n"].concat();
            self.line.reverse();
        }
        let n = self.line.len().min(buffer.len());
        for place in &mut buffer[..n] {
            *place = self.line.pop().unwrap_or_default();
        }
        Ok(n)
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
