//! Talks to a line echo: by hand on a terminal, as a filter in a pipe, one line from the command
//! line, or to find out how it does.

mod admin;
mod bars;
mod check;
mod description;
mod failure;
mod filter;
mod latency;
mod load;
mod options;
mod output;
mod ping;
mod plot;
mod progress;
mod prompt;
mod send;
mod server;
mod signals;
mod wait;

use std::io::{self, IsTerminal as _};
use std::process::ExitCode;

use failure::Failure;
use options::{Arguments, Mode};
use output::Output;
use server::Server;

fn main() -> ExitCode {
    let (arguments, place) = Arguments::take();
    let server = Server {
        place,
        options: arguments.options,
    };
    // For the many connections of load and check. If that fails there are as many as may be.
    #[cfg(unix)]
    let _ = linecho_examples::open_files::allow_many();
    let output = Output::new(&arguments.mode, server.options.json);
    let result = words_on_a_signal(&arguments.mode, &output).and_then(|()| match &arguments.mode {
        Some(Mode::Send { text }) => send::run(&server, text, &output),
        Some(Mode::Check { check, .. }) => check::run(&server, check, &output),
        Some(Mode::Load { load, .. }) => load::run(&server, load, &output),
        Some(Mode::Wait { limit, .. }) => wait::run(&server, *limit, &output),
        Some(Mode::Ping { ping, .. }) => ping::run(&server, ping, &output),
        None if io::stdin().is_terminal() && io::stdout().is_terminal() => {
            prompt::run(&server, &output)
        }
        None => filter::run(&server, &output),
    });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => output.failed(&failure),
    }
}

/// Has a signal print the last object first, in modes that do not handle signals themselves.
fn words_on_a_signal(mode: &Option<Mode>, output: &Output) -> Outcome {
    if output.json && !matches!(mode, Some(Mode::Load { .. } | Mode::Ping { .. })) {
        let output = output.clone();
        signals::before_the_end(move || output.interrupted())?;
    }
    Ok(())
}

/// The result of a mode: done, or failed for this reason.
type Outcome = Result<(), Failure>;
