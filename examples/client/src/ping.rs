//! A line each interval, as ping(8) does it with packets.

mod printer;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use clap::{Args, ValueEnum};
use linecho_examples::command_line;
use linecho_std::{Cause, Ping, PingEvent, Reconnect};

use crate::Outcome;
use crate::failure::Failure;
use crate::latency;
use crate::output::Output;
use crate::server::Server;
use crate::signals;
use printer::Printer;

#[derive(Args, Clone, Debug)]
pub(crate) struct PingOptions {
    /// Stop after so many lines
    #[arg(short, long, value_name = "NUMBER", value_parser = command_line::count)]
    count: Option<u64>,

    /// Send a line each so often, such as 200ms, or a number of seconds
    #[arg(short, long, value_name = "TIME", default_value = "1s", value_parser = seconds)]
    interval: Duration,

    /// Stop after this time, whatever has come back
    #[arg(short = 'w', long, value_name = "TIME", value_parser = seconds)]
    deadline: Option<Duration>,

    /// Send lines of so many bytes, the newline included
    #[arg(short, long, value_name = "BYTES", default_value_t = 64)]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=32_768))]
    size: u16,

    /// Print only the summary
    #[arg(short, long)]
    quiet: bool,

    /// Print the time before each line, in seconds since 1970
    #[arg(short = 'D', long)]
    timestamps: bool,

    /// When to connect again
    #[arg(long, value_name = "WHEN", default_value = "on-error")]
    reconnect: When,

    /// Print comma-separated values, one line of them for each line that was sent
    #[arg(long, conflicts_with_all = ["json", "quiet", "timestamps"])]
    csv: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum When {
    /// For each line
    Each,
    /// After a failure
    OnError,
    /// Never: it ends with its connection
    Never,
}

/// A time with its unit, or a number of seconds as ping(8) has it.
fn seconds(text: &str) -> Result<Duration, String> {
    match text.parse::<f64>() {
        Ok(number) => Duration::try_from_secs_f64(number).map_err(|error| error.to_string()),
        Err(_) => command_line::duration(text),
    }
}

pub(crate) fn run(server: &Server, options: &PingOptions, output: &Output) -> Outcome {
    let printer = Printer {
        options: options.clone(),
        output: output.clone(),
        name: server.place.to_string(),
        round_trips: Arc::new(Mutex::new(latency::histogram())),
    };
    let mut ping = Ping::new(server.name(), &server.builder())
        .interval(options.interval)
        .size(options.size.into())
        .reconnect(match options.reconnect {
            When::Each => Reconnect::Each,
            When::OnError => Reconnect::OnError,
            When::Never => Reconnect::Never,
        });
    let view = ping.stats();
    let (at_status, at_end) = (view.clone(), view.clone());
    let (status_printer, end_printer) = (printer.clone(), printer.clone());
    signals::watch(
        move || status_printer.status(&at_status.get()),
        move || {
            let stats = at_end.get();
            end_printer.summary(&stats);
            i32::from(end_printer.verdict(&stats).is_err())
        },
    )?;
    printer.begin();
    let mut peer = None;
    ping.run(options.count, options.deadline, |event| {
        if let PingEvent::Connected {
            peer: connected, ..
        } = event
        {
            peer = Some(connected.clone());
        }
        printer.event(event, peer.as_ref());
    });
    let stats = view.get();
    printer.summary(&stats);
    let verdict = printer.verdict(&stats);
    if let Err(Failure {
        cause: Cause::Refused,
        ..
    }) = &verdict
        && !options.csv
        && let Some(advice) = server.advice_when_refused()
    {
        output.line(&advice);
    }
    verdict
}
