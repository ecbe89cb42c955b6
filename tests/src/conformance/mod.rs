//! The test binaries' main function: every scenario over some ways to reach a server.

pub mod foreign;
pub mod reach;
pub mod scenarios;
pub mod soak;

use std::process::ExitCode;
use std::sync::Arc;

use libtest_mimic::{Arguments, Completion, Failed, Trial};

use reach::Reach;
use scenarios::{Scenario, Stage};

/// Why a scenario stops before its end.
#[derive(Debug)]
pub enum Stop {
    /// The server lacks what the scenario is about, and is not meant to have it.
    NotApplicable(String),
    /// This machine lacks something.
    Skipped {
        /// What.
        why: String,
        /// The command that mends it.
        enable: String,
    },
    /// The server broke the contract.
    Failed(String),
}

impl Stop {
    /// Says where a failure happened.
    #[must_use]
    pub fn at(self, place: &str) -> Self {
        match self {
            Self::Failed(why) => Self::Failed(format!("{place}: {why}")),
            other => other,
        }
    }

    /// Adds a line to a failure.
    #[must_use]
    pub fn with(self, line: &str) -> Self {
        match self {
            Self::Failed(why) => Self::Failed(format!("{why}\n{line}")),
            other => other,
        }
    }
}

/// Runs every scenario over each of `reaches`, under the usual arguments of a test binary, and says which could not be
/// run and why. With `LINECHO_REQUIRE_ALL=1` a scenario that this machine cannot run is a failure.
///
/// Everything random follows from a seed. `LINECHO_SEED=17` runs only that one.
#[must_use]
pub fn main(reaches: Vec<Arc<dyn Reach>>) -> ExitCode {
    conclude(trials(reaches))
}

/// A test for every scenario over each of `reaches`.
#[must_use]
pub fn trials(reaches: Vec<Arc<dyn Reach>>) -> Vec<Trial> {
    let mut trials = Vec::new();
    for reach in reaches {
        for scenario in scenarios::ALL {
            let reach = Arc::clone(&reach);
            let name = format!("{}::{}", reach.name(), scenario.name);
            trials.push(Trial::ignorable_test(name, move || run(scenario, &*reach)));
        }
    }
    trials
}

/// Runs `trials`, and makes skips visible.
#[must_use]
pub fn conclude(trials: Vec<Trial>) -> ExitCode {
    raise_descriptor_limit();
    let mut arguments = Arguments::from_args();
    // Those with real sockets wait more than they work.
    arguments.test_threads = arguments.test_threads.or(Some(4));
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// One scenario over one reach, with each seed.
fn run(scenario: &Scenario, reach: &dyn Reach) -> Result<Completion, Failed> {
    let seeds = match std::env::var("LINECHO_SEED") {
        Ok(seed) => {
            let seed = seed
                .parse()
                .map_err(|_| format!("LINECHO_SEED={seed} is no number"))?;
            seed..=seed
        }
        Err(_) => 1..=reach.seeds(),
    };
    for seed in seeds {
        let name = format!("{}::{}", reach.name(), scenario.name);
        let replay =
            format!("seed {seed}; replay: LINECHO_SEED={seed} cargo test -p linecho-tests {name}");
        let completion =
            completion(play(scenario, reach, seed).map_err(|stop| stop.with(&replay)))?;
        if !matches!(completion, Completion::Completed) {
            return Ok(completion);
        }
    }
    Ok(Completion::Completed)
}

/// Plays a scenario with one seed.
///
/// # Errors
/// When it did not go as it must, or could not be played.
pub fn play(scenario: &Scenario, reach: &dyn Reach, seed: u64) -> Result<(), Stop> {
    let wanted = (scenario.wanted)(reach.pace());
    let mut stage = Stage::new(reach, &wanted, seed)?;
    (scenario.play)(&mut stage)?;
    stage.conclude()
}

/// What a result means for the run of the tests.
///
/// # Errors
/// For a failure, and for a skip where none is allowed.
pub fn completion(result: Result<(), Stop>) -> Result<Completion, Failed> {
    match result {
        Ok(()) => Ok(Completion::Completed),
        Err(Stop::NotApplicable(why)) => {
            Ok(Completion::ignored_with(format!("not applicable: {why}")))
        }
        Err(Stop::Skipped { why, enable }) => {
            let message = format!("SKIPPED: {why}; to enable it: {enable}");
            if everything_is_required() {
                Err(message.into())
            } else {
                Ok(Completion::ignored_with(message))
            }
        }
        Err(Stop::Failed(why)) => Err(why.into()),
    }
}

/// Whether nothing may be left out for what this machine lacks.
pub(crate) fn everything_is_required() -> bool {
    std::env::var_os("LINECHO_REQUIRE_ALL").is_some_and(|value| value == "1")
}

/// Scenarios with hundreds of clients need more file descriptors than a shell usually grants at first.
fn raise_descriptor_limit() {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    if let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) {
        // If it fails, those scenarios will, and say why.
        let _ = setrlimit(Resource::RLIMIT_NOFILE, soft.max(hard.min(65_536)), hard);
    }
}
