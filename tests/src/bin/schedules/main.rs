//! Runs all schedules of sessions and probes with short inputs, and many drawn at random with
//! longer ones, against the oracle of the core.

mod probe;
mod sample;
mod session;
mod walk;
mod wire;

/// The oracle that the core's own tests use.
#[path = "../../../../core/src/oracle.rs"]
mod oracle;

use std::io;
use std::num::NonZero;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use clap::Parser;
// The oracle finds it here, as in the core.
use linecho_core::LongLines;
use linecho_tests::bench::estimate::Estimate;
use linecho_tests::bench::report::{Bound, Cell, Column, Limit, Report, Row, Section, short};

use crate::walk::{Dealer, LONGEST};

/// Runs all schedules of the core's state machines up to a length, and random ones beyond.
///
/// A schedule is one complete run: an input, the reads in which it arrives, the writes in which it
/// goes back, blocked or short, and the way in which it ends: with the input, or as a read or a
/// write fails. All of them are run for inputs over a letter and `\n`, for sessions with buffers of
/// 6, 7 and 8 bytes and each policy, and for probes; then for inputs one byte longer, as long as
/// the time suffices. Random ones have inputs over a letter, `\n`, `\r` and NUL, buffers of 1 to 32
/// bytes, and go through the polled drivers. Exits 1 when anything differs from the oracle of the
/// core, which is in core/src/oracle.rs.
#[derive(Parser)]
#[command(name = "schedules")]
struct Arguments {
    /// Minutes that all of it may take
    #[arg(long, value_name = "MINUTES", default_value_t = 10.0)]
    minutes: f64,

    /// A tenth of a minute of it: lengths that are fixed, and fewer random runs
    #[arg(long, conflicts_with = "minutes")]
    quick: bool,

    /// Number of random runs, of sessions and probes each
    #[arg(long, value_name = "NUMBER", default_value_t = 50_000_000)]
    samples: u64,

    /// The seed of the first random run; the next ones follow
    #[arg(long, value_name = "SEED", default_value_t = 1)]
    seed: u64,

    /// Write the figures to this file, as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// The least number of schedules that a whole run must have run.
const AT_LEAST: f64 = 1e9;
/// The same for a quick one.
const AT_LEAST_QUICK: f64 = 4e8;
/// The number of random runs of a quick one, of sessions and probes each.
const QUICK_SAMPLES: u64 = 1_000_000;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match schedules(&arguments).publish(arguments.json.as_deref()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => fail(&error),
    }
}

fn fail(error: &io::Error) -> ExitCode {
    eprintln!("schedules: {error}");
    ExitCode::FAILURE
}

/// What is walked through, length by length.
struct Kind {
    id: &'static str,
    title: &'static str,
    /// Walks through all runs of a length.
    walk: fn(length: usize) -> u64,
    /// The longest in a quick run.
    quick: usize,
}

const KINDS: [Kind; 2] = [
    Kind {
        id: "sessions",
        title: "sessions",
        walk: sessions,
        quick: 7,
    },
    Kind {
        id: "probes",
        title: "probes",
        walk: probes,
        quick: 5,
    },
];

/// A length that was walked through.
struct Walked {
    length: usize,
    runs: u64,
    took: Duration,
}

fn schedules(arguments: &Arguments) -> Report {
    let began = Instant::now();
    let samples = if arguments.quick {
        QUICK_SAMPLES
    } else {
        arguments.samples
    };
    let sampled = [
        (
            "sessions at random",
            samples,
            sample_all(sample::session, arguments.seed, samples),
        ),
        (
            "probes at random",
            samples,
            sample_all(sample::probe, arguments.seed, samples),
        ),
    ];

    let end = began + Duration::from_secs_f64(60.0 * arguments.minutes);
    let mut walked: [Vec<Walked>; 2] = Default::default();
    loop {
        // What takes least comes next.
        let next = KINDS.iter().zip(&mut walked).filter_map(|(kind, walked)| {
            let length = walked.len() + 1;
            let takes = expected(walked);
            let is_due = match arguments.quick {
                true => length <= kind.quick,
                false => length <= LONGEST && Instant::now() + takes < end,
            };
            is_due.then_some((takes, kind, walked, length))
        });
        let Some((_, kind, walked, length)) = next.min_by_key(|it| it.0) else {
            break;
        };
        let began = Instant::now();
        let runs = (kind.walk)(length);
        let took = began.elapsed();
        println!(
            "all {} of length {length}: {runs} schedules in {took:.1?}",
            kind.title
        );
        walked.push(Walked { length, runs, took });
    }
    report(arguments, &sampled, &walked)
}

/// The time that the next length will take, as the last two have it.
fn expected(walked: &[Walked]) -> Duration {
    match walked {
        [.., before, last] => {
            let growth = last.runs as f64 / before.runs as f64;
            last.took.mul_f64(growth)
        }
        _ => Duration::ZERO,
    }
}

/// Walks through all sessions of a length, with all threads.
fn sessions(length: usize) -> u64 {
    const POLICIES: [LongLines; 3] = [LongLines::Flush, LongLines::Discard, LongLines::Close];
    let of_policy = |policy| {
        together(|dealer| session::walk::<6>(policy, length, dealer))
            + together(|dealer| session::walk::<7>(policy, length, dealer))
            + together(|dealer| session::walk::<8>(policy, length, dealer))
    };
    POLICIES.into_iter().map(of_policy).sum()
}

/// Walks through all probes of a length, with all threads.
fn probes(length: usize) -> u64 {
    together(|dealer| probe::walk::<6, 3>(length, dealer))
        + together(|dealer| probe::walk::<8, 2>(length, dealer))
}

/// Walks in all threads, and adds up what each was dealt.
fn together(walk: impl Fn(&Dealer) -> u64 + Sync) -> u64 {
    let dealer = Dealer::default();
    in_all_threads(|| walk(&dealer)).into_iter().sum()
}

/// Samples in all threads, and returns the time it took.
fn sample_all(sample: fn(u64), first: u64, count: u64) -> Duration {
    const AT_ONCE: u64 = 1000;
    let began = Instant::now();
    let next = AtomicU64::new(0);
    in_all_threads(|| {
        loop {
            let from = next.fetch_add(AT_ONCE, Ordering::Relaxed);
            if from >= count {
                break;
            }
            for number in from..count.min(from + AT_ONCE) {
                sample(first.wrapping_add(number));
            }
        }
    });
    began.elapsed()
}

fn in_all_threads<T: Send>(work: impl Fn() -> T + Sync) -> Vec<T> {
    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(&work)).collect();
        // One that failed has printed why.
        let join = |thread: thread::ScopedJoinHandle<T>| {
            thread.join().unwrap_or_else(|_| std::process::exit(1))
        };
        threads.into_iter().map(join).collect()
    })
}

fn report(
    arguments: &Arguments,
    sampled: &[(&str, u64, Duration)],
    walked: &[Vec<Walked>; 2],
) -> Report {
    let cell = |value: f64| Cell {
        value,
        text: short(value),
        ratio: None,
    };
    let row = |id: String, title: String, runs: u64, took: Duration| Row {
        id,
        title,
        cells: vec![cell(runs as f64), cell(took.as_secs_f64())],
    };
    let mut rows: Vec<Row> = Vec::new();
    let mut total = 0;
    for (kind, walked) in KINDS.iter().zip(walked) {
        for Walked { length, runs, took } in walked {
            let title = format!("all {}, {length} bytes", kind.title);
            rows.push(row(format!("{}_{length}", kind.id), title, *runs, *took));
            total += runs;
        }
    }
    for (title, runs, took) in sampled {
        rows.push(row(title.replace(' ', "_"), (*title).into(), *runs, *took));
        total += runs;
    }
    let column = |name: &str| Column {
        id: name.into(),
        title: name.into(),
    };
    let at_least = if arguments.quick {
        AT_LEAST_QUICK
    } else {
        AT_LEAST
    };
    Report {
        sections: vec![Section {
            title: format!("{total} schedules"),
            columns: vec![column("schedules"), column("seconds")],
            rows,
        }],
        bounds: vec![Bound {
            what: "schedules that keep the contract".into(),
            reached: Estimate::exact(total as f64),
            limit: Limit::AtLeast(at_least),
        }],
    }
}
