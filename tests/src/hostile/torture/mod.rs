//! System calls of the real server that fail: each that it makes, with each error that its man page
//! documents, injected by strace.

mod client;
mod conversation;
mod errors;
mod run;
mod traced;

use std::collections::BTreeMap;
use std::io;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use crate::bench::estimate::Estimate;
use crate::bench::report::{Bound, Cell, Column, Limit, Report, Row, Section};
use errors::{SERVING, STARTING};
use run::{Injection, SCHEDULES, Story};

/// The longest wait for anything.
const PATIENCE: Duration = Duration::from_secs(20);
/// The runs at the same time. Most of a run is waiting.
const AT_ONCE: usize = 4;

pub use crate::bench::measure::system_calls::available;

/// The extent of a torture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// All pairs of a call and an error, each on all schedules.
    Whole,
    /// Some pairs of each call that a server makes while it serves, each on one schedule.
    Quick,
}

/// What came of a torture.
pub struct Outcome {
    /// A row for each pair, and the bound: that all are survived.
    pub report: Report,
    /// The number of pairs that were tried: the server made the call.
    pub tried: usize,
    /// What was not survived, and why.
    pub faults: Vec<String>,
}

/// Tortures echo-servers: with all that the extent allows and that is named by one of `only`, a
/// `CALL` or a `CALL:ERROR`, if there are any.
#[must_use]
pub fn run(extent: Extent, only: &[String]) -> Outcome {
    let mut injections = injections(extent);
    if !only.is_empty() {
        injections.retain(|it| {
            let (call, pair) = (it.call.to_owned(), format!("{}:{}", it.call, it.error));
            only.contains(&call) || only.contains(&pair)
        });
    }
    let next = Mutex::new(injections.iter().copied().enumerate());
    let stories = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let Some((number, injection)) = locked(&next).next() else {
                        return;
                    };
                    let story = injection.run(number);
                    locked(&stories).push((number, injection, story));
                }
            });
        }
    });
    let mut stories = stories.into_inner().unwrap_or_else(PoisonError::into_inner);
    stories.sort_by_key(|(number, ..)| *number);
    tell(&stories)
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn injections(extent: Extent) -> Vec<Injection> {
    let mut all = Vec::new();
    for (starting, calls) in [(false, SERVING), (true, STARTING)] {
        for &(call, errors) in calls {
            for error in errors.split_whitespace() {
                all.extend(SCHEDULES.map(|when| Injection {
                    call,
                    error,
                    when,
                    starting,
                }));
            }
        }
    }
    all.retain(|it| it.is_possible());
    if extent == Extent::Quick {
        all.retain(|it| !it.starting && it.when == "2+3");
        all = all.into_iter().step_by(8).collect();
    }
    all
}

/// A pair of a call and an error.
#[derive(Default)]
struct Pair {
    runs: usize,
    survived: usize,
    failures: usize,
    connections: usize,
    cut_off: usize,
    refused: usize,
    gave_up: usize,
}

impl Pair {
    fn add(&mut self, story: Option<&Story>) {
        self.runs += 1;
        if let Some(story) = story {
            self.survived += 1;
            self.failures += story.failures;
            self.connections += story.heard.connections;
            self.cut_off += story.heard.cut_off;
            self.refused += usize::from(story.refused);
            self.gave_up += usize::from(story.gave_up);
        }
    }

    fn is_survived(&self) -> bool {
        self.survived == self.runs
    }
}

fn tell(stories: &[(usize, Injection, io::Result<Story>)]) -> Outcome {
    let mut pairs: BTreeMap<(bool, &str, &str), Pair> = BTreeMap::new();
    let mut faults = Vec::new();
    for (_, injection, story) in stories {
        let Injection {
            call,
            error,
            when,
            starting,
        } = *injection;
        let pair = pairs.entry((starting, call, error)).or_default();
        pair.add(story.as_ref().ok());
        if let Err(why) = story {
            let phase = if starting { "at the start, " } else { "" };
            faults.push(format!("{phase}{call}:error={error}:when={when}: {why}"));
        }
    }
    let was_tried = |it: &&Pair| it.failures > 0 || !it.is_survived();
    let tried = pairs.values().filter(was_tried).count();
    let lost = pairs.values().filter(|it| !it.is_survived()).count();
    let bound = |what: String, reached: usize, limit| Bound {
        what,
        reached: Estimate::exact(reached as f64),
        limit,
    };
    let report = Report {
        bounds: vec![
            bound("pairs tried".into(), tried, Limit::AtLeast(1.0)),
            bound("pairs not survived".into(), lost, Limit::AtMost(0.0)),
        ],
        sections: [false, true]
            .map(|starting| section(starting, &pairs))
            .into(),
    };
    Outcome {
        report,
        tried,
        faults,
    }
}

fn section(starting: bool, pairs: &BTreeMap<(bool, &str, &str), Pair>) -> Section {
    let columns = [
        ("failures", "calls that failed"),
        ("connections", "connections"),
        ("cut_off", "cut off"),
        ("refused", "refused to start"),
        ("gave_up", "exit code 1"),
        ("survived", "survived"),
    ];
    let row = |(&(_, call, error), pair): (&(bool, &str, &str), &Pair)| Row {
        id: format!("{call}:{error}"),
        title: format!("{call} {error}"),
        cells: vec![
            number(pair.failures),
            number(pair.connections),
            number(pair.cut_off),
            number(pair.refused),
            number(pair.gave_up),
            Cell {
                value: f64::from(u8::from(pair.is_survived())),
                text: match (pair.is_survived(), pair.failures) {
                    (false, _) => "NO",
                    (true, 0) => "not called",
                    (true, _) => "yes",
                }
                .into(),
                ratio: None,
            },
        ],
    };
    Section {
        title: match starting {
            false => "while it serves",
            true => "from the start",
        }
        .into(),
        columns: columns
            .map(|(id, title)| Column {
                id: id.into(),
                title: title.into(),
            })
            .into(),
        rows: pairs
            .iter()
            .filter(|((its, ..), _)| *its == starting)
            .map(row)
            .collect(),
    }
}

fn number(value: usize) -> Cell {
    Cell {
        value: value as f64,
        text: value.to_string(),
        ratio: None,
    }
}
