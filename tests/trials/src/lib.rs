//! Runs test programs whose tests may find that the machine lacks something: each such test is
//! reported as ignored, with the reason, and the last test of the workspace prints one sum with the
//! commands that mend it.
//!
//! ```no_run
//! use linecho_trials::{Stop, trials};
//!
//! fn a_device_opens() -> Result<(), Stop> {
//!     std::fs::File::open("/dev/net/tun").map_err(|error| Stop::Skipped {
//!         why: format!("/dev/net/tun: {error}"),
//!         enable: "modprobe tun".into(),
//!     })?;
//!     Ok(())
//! }
//!
//! linecho_trials::conclude(trials![a_device_opens]);
//! ```

#[cfg(unix)]
pub mod browser;
pub mod process;
mod record;
mod stop;
mod sum;
pub mod variables;

use std::io;
use std::process::ExitCode;

pub use libtest_mimic::Trial;
use libtest_mimic::{Arguments, Completion};
pub use stop::{Stop, everything_is_required};
pub use sum::Sum;

/// Makes a [`Trial`] of each function, named like it. Each returns `Result<(), Stop>`, and may
/// panic to fail.
#[macro_export]
macro_rules! trials {
    ($($test:ident),* $(,)?) => {
        vec![$($crate::trial(stringify!($test), $test)),*]
    };
}

/// Makes a test that may find only while it runs that it cannot.
pub fn trial(
    name: impl Into<String>,
    test: impl FnOnce() -> Result<(), Stop> + Send + 'static,
) -> Trial {
    let name = name.into();
    Trial::ignorable_test(name.clone(), move || {
        let record = |why: &str, enable: &str| record::skipped(&name, why, enable);
        let ignored = ignored(test(), everything_is_required(), record)?;
        Ok(ignored.map_or(Completion::Completed, Completion::ignored_with))
    })
}

/// Runs `trials` under the usual arguments of a test program.
#[must_use]
pub fn conclude(trials: Vec<Trial>) -> ExitCode {
    let mut arguments = Arguments::from_args();
    // Most wait for sockets and processes more than they work.
    arguments.test_threads = arguments.test_threads.or(Some(4));
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// Returns the reason for which a test is to be reported as ignored, if it did not run. A skip is
/// recorded for the sum; it is an error if everything is required.
fn ignored(
    result: Result<(), Stop>,
    everything_is_required: bool,
    record: impl FnOnce(&str, &str) -> io::Result<()>,
) -> Result<Option<String>, String> {
    let Err(stop) = result else { return Ok(None) };
    let text = stop.to_string();
    match stop {
        Stop::NotApplicable(_) => Ok(Some(text)),
        Stop::Skipped { why, enable } if !everything_is_required => {
            record(&why, &enable)
                .map_err(|error| format!("{text}; this cannot be recorded: {error}"))?;
            Ok(Some(format!("SKIPPED: {text}")))
        }
        Stop::Skipped { .. } | Stop::Failed(_) => Err(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn skip() -> Result<(), Stop> {
        Err(Stop::no_program("qemu", "qemu-system-arm"))
    }

    #[test]
    fn a_skip_is_recorded_and_not_ok() {
        let mut recorded = None;
        let done = ignored(skip(), false, |why, enable| {
            recorded = Some(format!("{why}: {enable}"));
            Ok(())
        });
        let text =
            "SKIPPED: there is no program `qemu`; to run it: apt-get install qemu-system-arm";
        assert_eq!(done.unwrap().as_deref(), Some(text));
        let recorded = recorded.unwrap();
        assert_eq!(
            recorded,
            "there is no program `qemu`: apt-get install qemu-system-arm"
        );
    }

    #[test]
    fn a_skip_fails_where_everything_is_required() {
        let done = ignored(skip(), true, |_, _| unreachable!("it is no skip"));
        let text = done.unwrap_err();
        assert!(text.contains("apt-get install qemu-system-arm"), "{text}");
    }

    #[test]
    fn a_skip_that_cannot_be_recorded_fails() {
        let done = ignored(skip(), false, |_, _| Err(io::ErrorKind::StorageFull.into()));
        assert!(done.is_err());
    }
}
