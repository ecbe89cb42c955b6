//! The last test program of the workspace: runs the examples of the documentation, then prints one
//! sum of all tests that were skipped, and the commands that mend it.
//!
//! Cargo would run the examples behind everything, and the sum would scroll out of sight. So the
//! libraries say `doctest = false`, which keeps them out of a plain `cargo test`; `cargo test --doc
//! -p CRATE` runs them at any time.

use std::process::ExitCode;

use linecho_trials::process::cargo;
use linecho_trials::{Stop, Sum, trials};

fn main() -> ExitCode {
    let code = linecho_trials::conclude(trials![documentation_examples]);
    if !std::env::args().any(|argument| argument == "--list") {
        match Sum::take() {
            Ok(sum) => println!("{sum}\n"),
            Err(error) => {
                eprintln!("what was skipped cannot be summed up: {error}");
                return ExitCode::FAILURE;
            }
        }
    }
    code
}

fn documentation_examples() -> Result<(), Stop> {
    let mut test = cargo("test")?;
    match test.args(["--workspace", "--doc"]).status() {
        Ok(status) if status.success() => Ok(()),
        result => Err(Stop::Failed(format!("{test:?}: {result:?}"))),
    }
}
