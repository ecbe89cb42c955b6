//! Counts the instructions of the core and the listeners, and holds them against the budget.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use linecho_tests::bench::cost::instructions;
use linecho_tests::bench::cost::paths::Path;

/// Counts the instructions that the core takes for a line or a byte, and the listeners with smoltcp
/// for a line, with valgrind.
///
/// Exits 1 when a count has grown by more than 2 % over the budget, which is the file
/// tests/budgets/instructions.json. Counts depend on the compiler: the budget is that of the stable
/// Rust that the project is built with.
#[derive(Parser)]
#[command(name = "instructions")]
struct Arguments {
    /// Write the counts to the budget, after a change that is worth its cost
    #[arg(long)]
    update: bool,

    /// Write the figures to this file, as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,

    /// Only walk this path: what valgrind runs
    #[arg(long, hide = true, requires = "times")]
    walk: Option<Path>,

    /// Number of walks
    #[arg(long, hide = true)]
    times: Option<usize>,
}

pub(crate) fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if let (Some(path), Some(times)) = (arguments.walk, arguments.times) {
        path.walk(times);
        return ExitCode::SUCCESS;
    }
    let found = instructions::run(arguments.update);
    match found.and_then(|report| report.publish(arguments.json.as_deref())) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("instructions: {error}");
            ExitCode::FAILURE
        }
    }
}
