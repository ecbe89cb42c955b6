//! The rows, their checks as tests, and the table of what passed.

use std::collections::HashSet;
use std::fs;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use libtest_mimic::{Arguments, Failed, Trial};
use tokio::task::LocalSet;
use tokio::time::timeout;

use crate::checks;
use crate::driven::Driven;
use crate::peer::Peer;

/// The longest that a check may take, on a machine that does much else.
const LIMIT: Duration = Duration::from_secs(100);

/// The file that holds the table.
const README: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../core/README.md");
/// The file that holds the versions.
const LOCK: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.lock");

/// The checks, as columns of the table.
const COLUMNS: [&str; 6] = [
    "answered",
    "exact",
    "half-close",
    "full peer",
    "cancelled",
    "probe",
];

/// A transport that people use.
pub(crate) struct Row {
    name: &'static str,
    /// Empty for std.
    package: &'static str,
    driver: &'static str,
    checks: Vec<(&'static str, Check)>,
    /// The checks that the transport itself cannot pass.
    fails: &'static [&'static str],
}

type Check = Box<dyn FnOnce() + Send>;

/// The checks of one transport. `open` makes a connection: our side, and the peer's.
pub(crate) fn row<D, P, F>(name: &'static str, package: &'static str, open: fn() -> F) -> Row
where
    D: Driven + 'static,
    P: Peer + 'static,
    F: Future<Output = (D, P)> + 'static,
{
    let mut checks = vec![
        ("answered", check(open, checks::answered)),
        ("exact", check(open, checks::exact)),
        ("full peer", check(open, checks::full)),
        ("probe", check(open, checks::probe)),
    ];
    if P::HALF_CLOSES {
        checks.push(("half-close", check(open, checks::half_close)));
    }
    if D::CANCELS {
        checks.push(("cancelled", check(open, checks::cancelled)));
    }
    Row {
        name,
        package,
        driver: D::DRIVER,
        checks,
        fails: &[],
    }
}

impl Row {
    /// Leaves out the checks that the transport itself cannot pass.
    pub(crate) fn fails(mut self, checks: &'static [&'static str]) -> Self {
        self.checks.retain(|(name, _)| !checks.contains(name));
        self.fails = checks;
        self
    }
}

fn check<D, P, F, C>(open: fn() -> F, check: impl FnOnce(D, P) -> C + Send + 'static) -> Check
where
    D: 'static,
    P: 'static,
    F: Future<Output = (D, P)> + 'static,
    C: Future<Output = ()>,
{
    Box::new(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        let checked = async {
            let (driven, peer) = open().await;
            check(driven, peer).await;
        };
        LocalSet::new()
            .block_on(&runtime, async { timeout(LIMIT, checked).await })
            .unwrap_or_else(|_| panic!("not done within {LIMIT:?}"));
    })
}

/// Runs the checks that the command line selects, and prints the table of those that passed. If all
/// did, compares it with the one in the README.
pub(crate) fn run(rows: Vec<Row>) -> ExitCode {
    let arguments = Arguments::from_args();
    let passed = Arc::new(Mutex::new(HashSet::new()));
    let mut labels = Vec::new();
    let mut trials = Vec::new();
    for row in rows {
        labels.push((row.name, row.package, row.driver, row.fails));
        for (check, run) in row.checks {
            let passed = Arc::clone(&passed);
            trials.push(Trial::test(format!("{}: {check}", row.name), move || {
                catch_unwind(AssertUnwindSafe(run)).map_err(|panic| said(&*panic))?;
                passed.lock().expect("whole").insert((row.name, check));
                Ok(())
            }));
        }
    }
    let conclusion = libtest_mimic::run(&arguments, trials);
    if arguments.list || conclusion.num_filtered_out > 0 {
        return conclusion.exit_code();
    }
    let table = table(&labels, &passed.lock().expect("whole"));
    println!("{table}");
    // Elsewhere some of the rows are missing.
    let all_ran = cfg!(target_os = "linux") && !conclusion.has_failed();
    if all_ran && !fs::read_to_string(README).is_ok_and(|it| it.contains(&table)) {
        eprintln!("core/README.md has another table: put this one there");
        return ExitCode::FAILURE;
    }
    conclusion.exit_code()
}

fn said(panic: &(dyn std::any::Any + Send)) -> Failed {
    let text = panic.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_default()
        .into()
}

/// The first three cells of a row, and the checks in which it says no.
type Label = (
    &'static str,
    &'static str,
    &'static str,
    &'static [&'static str],
);

/// The table in Markdown, its columns aligned.
fn table(labels: &[Label], passed: &HashSet<(&str, &str)>) -> String {
    let versions = fs::read_to_string(LOCK).expect("Cargo.lock");
    let head = ["transport", "package", "driver"]
        .into_iter()
        .chain(COLUMNS);
    let mut cells: Vec<Vec<String>> = vec![head.map(str::to_owned).collect()];
    for &(name, package, driver, fails) in labels {
        let package = match package {
            "" => "std".to_owned(),
            package => format!("{package} {}", version(&versions, package)),
        };
        let mut row = vec![name.to_owned(), package, driver.to_owned()];
        let cell = |check| match passed.contains(&(name, check)) {
            true => "yes",
            false if fails.contains(&check) => "no",
            false => "–",
        };
        row.extend(COLUMNS.map(|check| cell(check).to_owned()));
        cells.push(row);
    }
    let width = |column: usize| cells.iter().map(|row| row[column].chars().count()).max();
    let widths: Vec<_> = (0..cells[0].len()).filter_map(width).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths);
        let cells: Vec<_> = cells
            .map(|(cell, &width)| format!(" {cell:width$} "))
            .collect();
        format!("|{}|\n", cells.join("|"))
    };
    let rule: Vec<_> = widths.iter().map(|&width| "-".repeat(width + 2)).collect();
    let rows: String = cells[1..].iter().map(line).collect();
    format!("{}|{}|\n{rows}", line(&cells[0]), rule.join("|"))
}

/// The version of a package that this workspace is locked to.
fn version<'a>(lock: &'a str, package: &str) -> &'a str {
    let (_, rest) = lock
        .split_once(&format!("name = \"{package}\"\nversion = \""))
        .expect("a package of ours");
    rest.split('"').next().unwrap_or_default()
}
