//! Talks to a line echo: by hand on a terminal, as a filter in a pipe, or one line from the command line.

use std::error::Error;
use std::io::{self, BufRead, IsTerminal, Write};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};
use linecho_examples::address::Address;
use linecho_std::{Cause, Client, ClientError};

/// A client for line echoes that checks every byte that comes back.
///
/// On a terminal it prompts for lines and shows each echo with its round-trip time. In a pipe it is a
/// filter: standard input goes out, what comes back goes to standard output, and it ends when all has
/// come back.
#[derive(Parser)]
#[command(
    name = "echo-client",
    version,
    after_help = "Exit codes: 0 all came back, 1 something did not, 2 wrong usage."
)]
struct Arguments {
    // Not a doc comment: rustdoc would look for a link in the brackets.
    #[arg(
        help = "The server: HOST:PORT, [V6]:PORT, or PORT on this machine",
        value_name = "HOST:PORT",
        env = "LINECHO_SERVER",
        default_value = "localhost:18080",
        value_parser = server_address
    )]
    server: Address,

    /// How long to wait for a connection, and for a server that moves no byte
    #[arg(long, env = "LINECHO_TIMEOUT", default_value = "30s", value_parser = humantime::parse_duration)]
    timeout: Duration,

    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Send one line, print its echo, and end
    Send {
        /// The words of the line
        #[arg(required = true, value_parser = without_newline)]
        text: Vec<String>,
    },
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if is_closed_output(&*error) => ExitCode::SUCCESS,
        Err(error) => {
            // Not `eprintln!`, which panics when stderr is closed.
            let _ = writeln!(io::stderr(), "echo-client: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let mut client = connect(&arguments.server, arguments.timeout)?;
    match &arguments.command {
        Some(Command::Send { text }) => {
            let text = text.join(" ");
            client.echo(text.as_bytes())?;
            writeln!(io::stdout(), "{text}")?;
        }
        None if io::stdin().is_terminal() && io::stdout().is_terminal() => prompt(&mut client)?,
        None => {
            client.filter(io::stdin(), &mut io::stdout().lock())?;
        }
    }
    Ok(())
}

fn server_address(text: &str) -> Result<Address, String> {
    // All interfaces are for servers.
    let port = text.strip_prefix(':').filter(|port| !port.contains(':'));
    port.unwrap_or(text).parse()
}

fn without_newline(text: &str) -> Result<String, &'static str> {
    if text.contains('\n') {
        return Err("a line cannot contain a newline: send several lines through a pipe");
    }
    Ok(text.into())
}

fn connect(server: &Address, timeout: Duration) -> Result<Client, Box<dyn Error>> {
    let addresses = server.resolve()?;
    let builder = Client::builder().timeout(timeout);
    let client = builder.connect_any(&addresses).map_err(|error| {
        let advice = match error.cause() == Cause::Refused {
            true => format!("\nStart a server there: echo-server --listen {server}"),
            false => String::new(),
        };
        format!("cannot connect to {server}: {error}{advice}")
    })?;
    Ok(client)
}

/// Reads lines from the terminal until its end (Ctrl-D).
fn prompt(client: &mut Client) -> Result<(), Box<dyn Error>> {
    let (mut input, mut output) = (io::stdin().lock(), io::stdout().lock());
    writeln!(
        output,
        "Connected to {}. A line is echoed when you press Enter; Ctrl-D ends.",
        client.peer_addr()?
    )?;
    let mut line = Vec::new();
    loop {
        write!(output, "> ")?;
        output.flush()?;
        line.clear();
        if input.read_until(b'\n', &mut line)? == 0 {
            writeln!(output)?;
            return Ok(());
        }
        if line.last() == Some(&b'\n') {
            line.pop();
        }
        let round_trip = client.echo(&line)?;
        output.write_all(&line)?;
        writeln!(output, "   ({:.3} ms)", round_trip.as_secs_f64() * 1e3)?;
    }
}

/// Whether the reader of our output has gone, as in `echo-client | head`: it has all that it wants.
fn is_closed_output(error: &(dyn Error + 'static)) -> bool {
    let error = match error.downcast_ref::<ClientError>() {
        Some(ClientError::Output { error, .. }) => Some(error),
        _ => error.downcast_ref::<io::Error>(),
    };
    error.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}
