//! By hand: reads lines from the terminal until its end (Ctrl-D), and shows each echo.

use std::io::{self, Write as _};

use crate::Outcome;
use crate::server::Server;

pub(crate) fn run(server: &Server) -> Outcome {
    let mut client = server.connect()?;
    let mut output = io::stdout();
    writeln!(
        output,
        "Connected to {}. A line is echoed when you press Enter; Ctrl-D ends.",
        client.peer_addr()?
    )?;
    let mut input = client.input(io::stdin())?;
    loop {
        write!(output, "> ")?;
        output.flush()?;
        let line = match client.next_line(&mut input) {
            Ok(line) => line,
            Err(error) => {
                // The message gets a line of its own.
                writeln!(output)?;
                return Err(error.into());
            }
        };
        let Some(mut line) = line else {
            writeln!(output)?;
            return Ok(());
        };
        line.extend(server.carriage_return());
        let round_trip = client.echo(&line)?;
        output.write_all(line.strip_suffix(b"\r").unwrap_or(&line))?;
        writeln!(output, "   ({:.3} ms)", round_trip.as_secs_f64() * 1e3)?;
    }
}
