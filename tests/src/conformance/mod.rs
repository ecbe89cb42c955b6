//! The wing of the contract: one list of scenarios, over every way to reach a server.

pub mod foreign;
pub mod reach;
pub mod scenarios;
pub mod soak;

use std::sync::Arc;

use linecho_trials::{Stop, Trial, trial};
use reach::Reach;
use scenarios::{Scenario, Stage};

/// Makes a test of every scenario over each of `reaches`.
///
/// Everything random follows from a seed. `LINECHO_SEED=17` runs only that one.
#[must_use]
pub fn trials(reaches: Vec<Arc<dyn Reach>>) -> Vec<Trial> {
    raise_descriptor_limit();
    let mut trials = Vec::new();
    for reach in reaches {
        for scenario in scenarios::ALL {
            let reach = Arc::clone(&reach);
            let name = format!("{}::{}", reach.name(), scenario.name);
            trials.push(trial(name.clone(), move || run(&name, scenario, &*reach)));
        }
    }
    trials
}

/// Plays a scenario over a reach with each of its seeds.
fn run(name: &str, scenario: &Scenario, reach: &dyn Reach) -> Result<(), Stop> {
    let seeds = match std::env::var("LINECHO_SEED") {
        Ok(seed) => {
            let number = seed.parse();
            let seed =
                number.map_err(|_| Stop::Failed(format!("LINECHO_SEED={seed} is no number")))?;
            seed..=seed
        }
        Err(_) => 1..=reach.seeds(),
    };
    for seed in seeds {
        play(scenario, reach, seed).map_err(|stop| {
            stop.with(&format!(
                "seed {seed}; replay: LINECHO_SEED={seed} cargo test -p linecho-tests {name}"
            ))
        })?;
    }
    Ok(())
}

/// Plays a scenario with one seed.
///
/// # Errors
///
/// When it did not go as it must, or could not be played.
pub fn play(scenario: &Scenario, reach: &dyn Reach, seed: u64) -> Result<(), Stop> {
    let wanted = (scenario.wanted)(reach.pace());
    let mut stage = Stage::new(reach, &wanted, seed)?;
    (scenario.play)(&mut stage)?;
    stage.conclude()
}

/// Scenarios with hundreds of clients need more file descriptors than a shell usually grants at
/// first.
fn raise_descriptor_limit() {
    #[cfg(unix)]
    {
        use nix::sys::resource::{Resource, getrlimit, setrlimit};
        if let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) {
            // If it fails, those scenarios will, and say why.
            let _ = setrlimit(Resource::RLIMIT_NOFILE, soft.max(hard.min(65_536)), hard);
        }
    }
}
