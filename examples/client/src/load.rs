//! Many connections, every byte verified: throughput, and how long lines take.

mod hope;
mod words;

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use hdrhistogram::Histogram;
use linecho_examples::command_line;
use linecho_examples::words::counted;
use linecho_std::load::{Length, Load, LoadStats, Sample};
use linecho_std::{Cause, UnixPath};

use crate::Outcome;
use crate::failure::Failure;
use crate::latency;
use crate::output::{Colour, Output, paint};
use crate::plot::{self, Timeline, Titles};
use crate::progress::Progress;
use crate::server::{Name, Server};
use crate::signals;
use hope::Hope;
use words::{Rate, ms, object, print, titles};

#[derive(Args, Clone, Debug)]
pub(crate) struct LoadOptions {
    /// Open so many connections
    #[arg(short, long, value_name = "NUMBER", default_value_t = 50)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    connections: u32,

    /// Have so many lines on their way on each connection
    #[arg(short = 'f', long, value_name = "LINES", default_value_t = 1)]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=1024))]
    in_flight: u16,

    /// Send lines of so many bytes, the newline included
    #[arg(short, long, value_name = "BYTES", default_value = "64", value_parser = command_line::bytes)]
    size: u32,

    /// Send for so long
    #[arg(short, long, value_name = "TIME", default_value = "10s", value_parser = command_line::duration)]
    duration: Duration,

    /// Send so many lines in all, however long it takes; give up when connections fail and no
    /// line has come back for --timeout
    #[arg(short = 'n', long, value_name = "NUMBER", conflicts_with = "duration")]
    lines: Option<u64>,

    /// Send so many lines a second in all, whether others are back or not; latency is then also
    /// taken from when a line was due
    #[arg(short, long, value_name = "NUMBER", value_parser = positive)]
    rate: Option<f64>,

    /// Open the connections evenly over this time
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = command_line::duration)]
    ramp: Duration,

    /// Connect from so many addresses, 127.0.0.1 and up, to a server on this machine: one has
    /// about 28,000 ports
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=60_000))]
    spread: u16,

    /// Draw latency over time and its distribution, as SVG
    #[arg(long, value_name = "FILE.svg")]
    plot: Option<PathBuf>,

    /// Fail when one line in a hundred takes longer
    #[arg(long, value_name = "TIME", value_parser = command_line::duration)]
    max_p99: Option<Duration>,

    /// Fail when there are more failures than that
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    max_errors: u64,
}

impl LoadOptions {
    pub(crate) fn has_several_sources(&self) -> bool {
        self.spread > 1
    }
}

fn positive(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(number) if number > 0.0 && f64::is_finite(number) => Ok(number),
        _ => Err("a number above 0 is needed".into()),
    }
}

/// The record of lines.
struct Latencies {
    since_due: Histogram<u64>,
    since_sent: Histogram<u64>,
}

pub(crate) fn run(server: &Server, options: &LoadOptions, output: &Output) -> Outcome {
    let load = match server.name() {
        Name::Tcp(name) => {
            let limits = &server.options;
            let limit = limits.connect_timeout.unwrap_or(limits.timeout);
            Load::new(&server.builder(), &server.look_up(name, limit)?)
        }
        Name::Unix(UnixPath(path)) => Load::unix(&server.builder(), path),
    };
    let mut load = load
        .connections(options.connections as usize)
        .in_flight(options.in_flight.into())
        .size(options.size as usize)
        .ramp(options.ramp)
        .length(match options.lines {
            Some(lines) => Length::Lines(lines),
            None => Length::Time(options.duration),
        });
    if let Some(rate) = options.rate {
        load = load.rate(rate);
    }
    if options.spread > 1 {
        load = load.sources(&loopback_addresses(options.spread));
    }
    let stop = load.stop_flag();
    signals::stop(move || stop.stop())?;
    let give_up = load.stop_flag();
    let mut hope = Hope::new(server.options.timeout, options.connections);

    let mut latencies = Latencies {
        since_due: latency::histogram(),
        since_sent: latency::histogram(),
    };
    let mut timeline = options.plot.is_some().then(Timeline::new);
    let (mut progress, mut rate) = (Progress::new(output), Rate::default());
    let stats = load.run(
        |sample: Sample| {
            latency::record(&mut latencies.since_due, sample.since_due);
            latency::record(&mut latencies.since_sent, sample.since_sent);
            if let Some(timeline) = &mut timeline {
                let due = sample.at.saturating_sub(sample.since_due);
                timeline.record(due, sample.since_due);
            }
        },
        |stats| {
            if options.lines.is_some() && hope.ends(stats) {
                give_up.stop();
            }
            progress.show(|| rate.text(stats));
        },
    )?;
    progress.erase();
    if let (Some(path), Some(timeline)) = (&options.plot, &timeline) {
        let titles = titles(server, options, &stats);
        draw(path, &titles, timeline, &latencies.since_due)?;
    }
    let failure = match hope.has_ended {
        true => Some(hope.failure(&stats)),
        false => verdict(options, &stats, &latencies),
    };
    output.object(
        "summary",
        &object(options, &stats, &latencies, failure.as_ref()),
    );
    print(server, options, &stats, &latencies, output);
    match failure {
        None => Ok(()),
        Some(failure) => {
            output.line(&format!("\n{}: {failure}", paint("FAILED", Colour::Red)));
            if failure.cause == Cause::Refused
                && let Some(advice) = server.advice_when_refused()
            {
                output.line(&advice);
            }
            Err(Failure::told(failure.cause))
        }
    }
}

fn main_cause(stats: &LoadStats) -> Cause {
    let main = stats.failures.iter().max_by_key(|(_, number)| **number);
    main.map_or(Cause::Other, |(cause, _)| *cause)
}

fn draw(
    path: &Path,
    titles: &Titles,
    timeline: &Timeline,
    latencies: &Histogram<u64>,
) -> Result<(), Failure> {
    let cannot = |error: &dyn std::fmt::Display| Failure {
        cause: Cause::Other,
        text: format!("cannot draw {}: {error}", path.display()),
    };
    let text = plot::svg(titles, timeline, latencies).map_err(|error| cannot(&error))?;
    fs::write(path, text).map_err(|error| cannot(&error))
}

fn loopback_addresses(number: u16) -> Vec<SocketAddr> {
    let first = u32::from(Ipv4Addr::LOCALHOST);
    let addresses = (0..u32::from(number)).map(|i| Ipv4Addr::from(first + i));
    addresses.map(|ip| (IpAddr::from(ip), 0).into()).collect()
}

fn verdict(options: &LoadOptions, stats: &LoadStats, latencies: &Latencies) -> Option<Failure> {
    let failure = |cause, text| Some(Failure { cause, text });
    let cause = main_cause(stats);
    let p99 = latency::percentile(&latencies.since_due, 99.0);
    let first = stats.first_failure.as_deref().unwrap_or_default();
    if stats.lines == 0 && !first.is_empty() {
        return failure(cause, format!("no line came back: {first}"));
    }
    if stats.lines == 0 {
        let text = format!(
            "no line came back within {:.1} s, and {} of {} connections were made: ask for fewer, or \
             for more time with --duration",
            stats.elapsed.as_secs_f64(),
            stats.connected,
            options.connections
        );
        return failure(Cause::Timeout, text);
    }
    if stats.failed() > options.max_errors {
        let text = format!("{}, the first: {first}", counted(stats.failed(), "failure"));
        return failure(cause, text);
    }
    let limit = options.max_p99?;
    if p99 > limit {
        let text = format!("p99 is {:.3} ms, more than {limit:?}", ms(p99));
        return failure(Cause::Timeout, text);
    }
    None
}
