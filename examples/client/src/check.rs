//! A table of what a path does to a stream: a row for each question.

use std::time::{Duration, Instant};

use clap::Args;
use linecho_examples::address::Address;
use linecho_examples::command_line;
use linecho_examples::words::counted;
use linecho_std::Cause;
use linecho_std::check::{Check, Grade, Row};
use serde_json::{Value, json};

use crate::Outcome;
use crate::admin;
use crate::failure::Failure;
use crate::output::{Colour, Output, paint};
use crate::progress::Progress;
use crate::server::{Name, Server};

#[derive(Args, Clone, Debug)]
pub(crate) struct CheckOptions {
    /// Ask for at most so long, --idle not counted
    #[arg(long, value_name = "TIME", default_value = "20s", value_parser = command_line::duration)]
    limit: Duration,

    /// Wait at most so long for each answer
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = command_line::duration)]
    patience: Duration,

    /// Call a path without bounds that takes so much of what nobody reads
    #[arg(long, value_name = "BYTES", default_value = "256MiB", value_parser = command_line::bytes)]
    most_buffered: u32,

    /// Send at most so much in all
    #[arg(long, value_name = "BYTES", default_value = "300MiB", value_parser = command_line::bytes)]
    most_bytes: u32,

    /// Send lines up to this length
    #[arg(long, value_name = "BYTES", default_value = "1MiB", value_parser = command_line::bytes)]
    longest_line: u32,

    /// Open up to so many connections at once
    #[arg(long, value_name = "NUMBER", default_value_t = 100)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    connections: u32,

    /// Call it a stall when a line in two writes takes so much longer
    #[arg(long, value_name = "TIME", default_value = "20ms", value_parser = command_line::duration)]
    stall: Duration,

    /// Also see whether a connection lives that is idle for so long
    #[arg(long, value_name = "TIME", value_parser = command_line::duration)]
    idle: Option<Duration>,

    /// Also see whether the server notices our half-close and reset, by the counters of its --admin
    /// interface
    #[arg(long, value_name = "URL", value_parser = admin::address)]
    admin: Option<Address>,
}

pub(crate) fn run(server: &Server, options: &CheckOptions, output: &Output) -> Outcome {
    let builder = server.builder();
    let Name::Tcp(name) = server.name() else {
        return Err(Failure {
            cause: Cause::Usage,
            text:
                "check is about TCP and what lies between: for a UNIX socket there are wait, ping \
                   and load"
                    .into(),
        });
    };
    // Zero is no timeout.
    let timeout = Some(server.options.timeout).filter(|timeout| !timeout.is_zero());
    let look_up = timeout.map_or(options.limit, |timeout| timeout.min(options.limit));
    let addresses = server.look_up(name, look_up)?;
    let mut check = Check::new(&builder, &addresses)
        .limit(options.limit)
        .patience(options.patience)
        .most_buffered(options.most_buffered.into())
        .most_bytes(options.most_bytes.into())
        .longest_line(options.longest_line as usize)
        .connections(options.connections as usize)
        .stall(options.stall);
    if let Some(idle) = options.idle {
        check = check.idle(idle);
    }
    if let Some(address) = options.admin.clone() {
        check = check.server_counts(Box::new(move || admin::counts(&address)));
    }
    output.line(&format!("CHECK {}\n", server.place));
    let began = Instant::now();
    let mut progress = Progress::new(output);
    let (mut rows, mut open, mut bad) = (0_u64, 0, Vec::new());
    check.run(|row| {
        rows += 1;
        progress.erase();
        match row.grade {
            Grade::Bad => bad.push(row.clone()),
            Grade::Unknown => open += 1,
            Grade::Good | Grade::Poor => {}
        }
        output.object("row", &object(row));
        output.line(&text(row, server.options.verbose > 0));
        progress.show(|| {
            let elapsed = began.elapsed().as_secs_f64();
            format!("{elapsed:5.1} s  {}, asking on", counted(rows, "answer"))
        });
    });
    progress.erase();
    let took = began.elapsed().as_secs_f64();
    let names: Vec<_> = bad.iter().map(|row| row.question.as_str()).collect();
    output.object(
        "summary",
        &json!({
            "ok": bad.is_empty(),
            "cause": bad.first().map(|row| cause(row).as_str()),
            "rows": rows,
            "bad": names,
            "elapsed_s": (took * 1e3).round() / 1e3,
        }),
    );
    match bad.first() {
        None => {
            let but = match open {
                0 => String::new(),
                1 => format!(", as far as there are answers: 1 of {rows} is open"),
                _ => format!(", as far as there are answers: {open} of {rows} are open"),
            };
            output.line(&format!(
                "\nThe contract of a line echo holds{but} ({took:.1} s)."
            ));
            Ok(())
        }
        Some(first) => {
            output.line(&format!(
                "\nThe contract of a line echo does not hold: {} ({took:.1} s).",
                names.join(", ")
            ));
            if cause(first) == Cause::Refused
                && let Some(advice) = server.advice_when_refused()
            {
                output.line(&advice);
            }
            Err(Failure::told(cause(first)))
        }
    }
}

fn cause(row: &Row) -> Cause {
    match row.verdict {
        "none answers" | "refused" => Cause::Refused,
        "not an echo" | "byte echo" => Cause::NotAnEcho,
        "silent" | "never" | "swallowed" | "held back" | "stuck" => Cause::Timeout,
        "closed early" | "dropped" | "lost" | "tail lost" => Cause::Eof,
        "reset early" => Cause::Reset,
        _ => Cause::Mismatch,
    }
}

fn text(row: &Row, verbose: bool) -> String {
    // Padded first: what colours a word takes no room.
    let mark = match row.grade {
        Grade::Good => paint("good", Colour::Green),
        Grade::Poor => paint("poor", Colour::Yellow),
        Grade::Bad => paint("BAD ", Colour::Red),
        Grade::Unknown => "?   ".into(),
    };
    let figure = row
        .figure
        .map_or_else(String::new, |figure| figure.to_string());
    let name = row.question.as_str();
    let mut line = format!("{mark}  {name:15}  {:20}  {figure:>12}", row.verdict);
    let explain = verbose || row.grade != Grade::Good;
    if explain && !row.found.is_empty() {
        line += &format!("\n      {}", row.found);
    }
    line.trim_end().into()
}

fn object(row: &Row) -> Value {
    json!({
        "question": row.question.as_str(),
        "grade": match row.grade {
            Grade::Good => "good",
            Grade::Poor => "poor",
            Grade::Bad => "bad",
            Grade::Unknown => "unknown",
        },
        "verdict": row.verdict,
        "value": row.figure.map(|figure| (figure.value * 1e3).round() / 1e3),
        "unit": row.figure.map(|figure| figure.unit),
        "found": row.found,
    })
}
