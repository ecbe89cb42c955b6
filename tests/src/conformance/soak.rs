//! Many seeds on a hostile network: for each, clients of all kinds over linecho-smoltcp on a link
//! with faults.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use linecho_core::LongLines;
use linecho_trials::Stop;

use crate::conformance::reach::link::{Frames, Link};
use crate::conformance::scenarios::{ALL, Scenario};

use crate::conformance::play;

/// The result of some seeds.
#[derive(Debug, Default)]
pub struct Outcome {
    /// The number of seeds that were played.
    pub seeds: u64,
    /// The seeds that failed, and why.
    pub failures: Vec<(u64, String)>,
    /// The counts of frames.
    pub frames: Frames,
}

/// Plays the seeds from `first` on, `count` of them, with as many threads as there are cores.
/// `on_failure` hears of each failure at once.
pub fn run(link: &Link, first: u64, count: u64, on_failure: impl Fn(u64, &str) + Sync) -> Outcome {
    let next = AtomicU64::new(0);
    let failures = Mutex::new(Vec::new());
    let threads = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    if index >= count {
                        return;
                    }
                    let seed = first.wrapping_add(index);
                    if let Err(why) = one(link, seed) {
                        on_failure(seed, &why);
                        let mut failures = failures.lock().unwrap_or_else(PoisonError::into_inner);
                        failures.push((seed, why));
                    }
                }
            });
        }
    });
    let mut failures = failures
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner);
    failures.sort_unstable();
    Outcome {
        seeds: count,
        failures,
        frames: link.frames(),
    }
}

/// Plays one seed with each policy for long lines.
fn one(link: &Link, seed: u64) -> Result<(), String> {
    let mixed = |scenario: &&Scenario| scenario.name.starts_with("clients_of_all_kinds");
    for scenario in ALL.iter().filter(mixed) {
        let policy: LongLines = (scenario.wanted)(link.pace).long_lines;
        match play(scenario, link, seed) {
            Ok(()) | Err(Stop::NotApplicable(_)) => {}
            Err(Stop::Failed(why) | Stop::Skipped { why, .. }) => {
                return Err(format!("{policy:?}: {why}"));
            }
        }
    }
    Ok(())
}
