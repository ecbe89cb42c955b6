//! Tests that each have a network namespace to themselves, with TAP devices in it: a process of its
//! own for each, since nobody can leave a namespace.

use std::env;
use std::process::{Command, ExitCode};

use linecho_devices::{Tap, netns};
use linecho_trials::{Stop, Trial, trial};

/// A test with its name.
pub type Test = (&'static str, fn() -> Result<(), Stop>);

/// Set for the process of a test: its name.
const INSIDE: &str = "LINECHO_TEST_IN_NAMESPACE";

/// The exit code of a process whose test cannot run here.
const SKIPPED: u8 = 77;

/// Makes a test of each of `tests`. The program's main function must call [`inside`] first.
#[must_use]
pub fn trials(tests: &[Test]) -> Vec<Trial> {
    tests
        .iter()
        .map(|&(name, _)| trial(name, move || run(name)))
        .collect()
}

/// In the process of one of `tests`, runs it and returns how the process is to end. Call it before
/// any thread is started.
#[must_use]
pub fn inside(tests: &[Test]) -> Option<ExitCode> {
    let name = env::var(INSIDE).ok()?;
    let Some((_, test)) = tests.iter().find(|(other, _)| *other == name) else {
        eprintln!("there is no test {name}");
        return Some(ExitCode::FAILURE);
    };
    Some(match enter().and_then(|()| test()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Stop::Skipped { why, enable }) => {
            eprintln!("{why}\n{enable}");
            ExitCode::from(SKIPPED)
        }
        Err(Stop::Failed(why) | Stop::NotApplicable(why)) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    })
}

/// Enters a network namespace in which TAP devices can be made.
///
/// # Errors
///
/// [`Stop::Skipped`] where the system does not allow that.
pub fn enter() -> Result<(), Stop> {
    netns::enter().map_err(|error| Stop::lacking(&error.to_string()))?;
    // A TAP device that nobody holds open is gone.
    Tap::open("probe0")
        .map(drop)
        .map_err(|error| Stop::lacking(&error.to_string()))
}

/// Runs the test `name` in a process of its own.
///
/// # Errors
///
/// When it fails, or cannot run here.
pub fn run(name: &str) -> Result<(), Stop> {
    let failed = |error| Stop::Failed(format!("cannot start this program again: {error}"));
    let mut process = Command::new(env::current_exe().map_err(failed)?);
    let output = process.env(INSIDE, name).output().map_err(failed)?;
    let text = String::from_utf8_lossy(&output.stderr);
    match output.status.code() {
        Some(0) => Ok(()),
        Some(code) if code == i32::from(SKIPPED) => Err(Stop::lacking(&text)),
        _ => Err(Stop::Failed(format!(
            "{}\n{text}{}",
            output.status,
            String::from_utf8_lossy(&output.stdout)
        ))),
    }
}
