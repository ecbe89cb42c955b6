//! Many connections, every byte verified: throughput, and how long lines take.

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
use serde_json::{Map, Value, json};

use crate::Outcome;
use crate::bars;
use crate::failure::Failure;
use crate::latency;
use crate::output::{self, Colour, Output, millis, paint};
use crate::plot::{self, Timeline, Titles};
use crate::progress::Progress;
use crate::server::{Name, Server};
use crate::signals;

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

/// The hope that a server will come back. Without it, a number of lines that are to be sent would
/// make connections for ever to a server that is gone.
struct Hope {
    limit: Duration,
    connections: u64,
    /// As of the last line that came back.
    lines: u64,
    since: Duration,
    failed_before: u64,
    /// As of the last look.
    failed: u64,
    has_ended: bool,
}

impl Hope {
    fn new(limit: Duration, connections: u32) -> Self {
        Self {
            limit,
            connections: connections.into(),
            lines: 0,
            since: Duration::ZERO,
            failed_before: 0,
            failed: 0,
            has_ended: false,
        }
    }

    /// Returns `true` once, when no line has come back for too long, every connection has failed
    /// meanwhile, and one fails again. Silence alone is no reason: at a low rate no line may be
    /// due.
    fn ends(&mut self, stats: &LoadStats) -> bool {
        let fails = stats.failed() > self.failed;
        self.failed = stats.failed();
        if stats.lines != self.lines {
            (self.lines, self.since) = (stats.lines, stats.elapsed);
            self.failed_before = self.failed;
        }
        let all_fail = fails && self.failed - self.failed_before > self.connections;
        let is_over = stats.elapsed.saturating_sub(self.since) >= self.limit;
        let ends = all_fail && is_over && !self.limit.is_zero() && !self.has_ended;
        self.has_ended |= ends;
        ends
    }

    fn failure(&self, stats: &LoadStats) -> Failure {
        Failure {
            cause: main_cause(stats),
            text: format!(
                "gave up when no line had come back for {:?}; {}, the first: {}",
                self.limit,
                counted(stats.failed(), "failure"),
                stats.first_failure.as_deref().unwrap_or_default()
            ),
        }
    }
}

fn main_cause(stats: &LoadStats) -> Cause {
    let main = stats.failures.iter().max_by_key(|(_, number)| **number);
    main.map_or(Cause::Other, |(cause, _)| *cause)
}

fn titles(server: &Server, options: &LoadOptions, stats: &LoadStats) -> Titles {
    let rate = match options.rate {
        Some(rate) => format!("{rate} lines/s asked for"),
        None => "as fast as they come back".into(),
    };
    Titles {
        title: format!("echo-client load {}", server.place),
        details: format!(
            "{}, {rate}; {} verified",
            what(options),
            counted(stats.lines, "line")
        ),
    }
}

/// Returns what is asked for, in words.
fn what(options: &LoadOptions) -> String {
    format!(
        "{}, {} in flight each, {} a line",
        counted(options.connections, "connection"),
        counted(options.in_flight, "line"),
        counted(options.size, "byte")
    )
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

fn print(
    server: &Server,
    options: &LoadOptions,
    stats: &LoadStats,
    latencies: &Latencies,
    output: &Output,
) {
    let seconds = stats.elapsed.as_secs_f64().max(1e-9);
    output.line(&format!(
        "LOAD {}\n{}, {seconds:.1} s\n",
        server.place,
        what(options)
    ));
    output.line(&format!(
        "{} verified, {:.0} lines/s, {:.2} MB/s each way",
        counted(stats.lines, "line"),
        stats.lines as f64 / seconds,
        stats.bytes as f64 / seconds / 1e6
    ));
    let percentiles = |name: &str, it: &Histogram<u64>| {
        let at = |percent| ms(latency::percentile(it, percent));
        output.line(&format!(
            "{name}  p50 {:.3}  p90 {:.3}  p99 {:.3}  p99.9 {:.3}  max {:.3} ms",
            at(50.0),
            at(90.0),
            at(99.0),
            at(99.9),
            at(100.0)
        ));
    };
    match options.rate {
        _ if stats.lines == 0 => {}
        None => percentiles("latency ", &latencies.since_sent),
        Some(_) => {
            percentiles("since due ", &latencies.since_due);
            percentiles("since sent", &latencies.since_sent);
        }
    }
    for line in output::backend_lines(&stats.backends) {
        output.line(&line);
    }
    for (cause, number) in &stats.failures {
        output.line(&format!("{} by {cause}", counted(*number, "failure")));
    }
    if stats.lost + stats.unsent > 0 {
        output.line(&format!(
            "{} lost, {} not sent in time",
            counted(stats.lost, "line"),
            stats.unsent
        ));
    }
    if stats.lines > 0 {
        output.line(&format!("\n{}", bars::of(&latencies.since_due)));
    }
}

fn object(
    options: &LoadOptions,
    stats: &LoadStats,
    latencies: &Latencies,
    failure: Option<&Failure>,
) -> Value {
    let failures: Map<_, _> = stats
        .failures
        .iter()
        .map(|(cause, number)| (cause.as_str().to_owned(), json!(number)))
        .collect();
    let percentiles = |it: &Histogram<u64>| match it.is_empty() {
        true => Value::Null,
        false => json!({
            "p50_ms": millis(latency::percentile(it, 50.0)),
            "p90_ms": millis(latency::percentile(it, 90.0)),
            "p99_ms": millis(latency::percentile(it, 99.0)),
            "p999_ms": millis(latency::percentile(it, 99.9)),
            "max_ms": millis(latency::percentile(it, 100.0)),
        }),
    };
    let seconds = stats.elapsed.as_secs_f64().max(1e-9);
    json!({
        "ok": failure.is_none(),
        "cause": failure.map(|it| it.cause.as_str()),
        "error": failure.map(|it| it.text.clone()),
        "connections": options.connections,
        "in_flight": options.in_flight,
        "line_bytes": options.size,
        "rate_per_s": options.rate,
        "elapsed_s": (seconds * 1e3).round() / 1e3,
        "sent": stats.sent,
        "verified": stats.lines,
        "verified_bytes": stats.bytes,
        "lost": stats.lost,
        "unsent": stats.unsent,
        "lines_per_s": (stats.lines as f64 / seconds).round(),
        "connected": stats.connected,
        "backends": output::backends(&stats.backends),
        "failures": stats.failed(),
        "failures_by_cause": failures,
        "since_due": percentiles(&latencies.since_due),
        "since_sent": percentiles(&latencies.since_sent),
    })
}

/// The rate since the text before.
#[derive(Default)]
struct Rate {
    lines: u64,
    elapsed: Duration,
}

impl Rate {
    fn text(&mut self, stats: &LoadStats) -> String {
        let passed = stats.elapsed.saturating_sub(self.elapsed);
        let rate = (stats.lines - self.lines) as f64 / passed.as_secs_f64().max(1e-9);
        (self.lines, self.elapsed) = (stats.lines, stats.elapsed);
        format!(
            "{:5.1} s  {}  {rate:.0} lines/s  {}",
            stats.elapsed.as_secs_f64(),
            counted(stats.open as u64, "connection"),
            counted(stats.failed(), "failure")
        )
    }
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
