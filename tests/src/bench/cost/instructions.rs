//! The instructions that the core and the listeners take, counted by valgrind's callgrind, and the
//! budget that they are held against.
//!
//! A count is the difference of two runs, of which one walks the path twice as often: what a
//! process does before and after cancels out, and the same code gives the same count in every run.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use clap::ValueEnum as _;

use super::paths::Path;
use crate::bench::context;
use crate::bench::estimate::Estimate;
use crate::bench::report::{Bound, Cell, Column, Limit, Report, Row, Section, short};

/// The factor by which a count may grow before it is over its budget.
const TOLERANCE: f64 = 1.02;

/// Reads of one byte must not cost more per byte of a long line than of a short one, but for this:
/// the work is linear.
const LINEAR: f64 = 1.02;

/// The bytes of the shorter run of a path, about.
const RUN_BYTES: usize = 512 * 1024;

/// The same for a path through a listener.
const LISTENER_RUN_BYTES: usize = 64 * 1024;

/// Valgrind counts the string instruction with which glibc copies a few KiB or more once for every
/// byte, which would hide what the core does. This lets glibc copy with vector instructions.
const NO_REP_MOVSB: &str = "glibc.cpu.x86_rep_movsb_threshold=0x40000000";

/// The budget: what each path may take for a line or a byte, by its name.
type Budget = BTreeMap<String, f64>;

/// Counts every path and holds it against its budget; with `update`, makes the counts the budget.
///
/// # Errors
///
/// When valgrind cannot count here, or the budget cannot be read or written.
pub fn run(update: bool) -> io::Result<Report> {
    let mut counted = Vec::new();
    for &path in Path::value_variants() {
        counted.push((path, count(path)?));
    }
    if update {
        write_budget(&counted)?;
    }
    let budget = read_budget()?;

    let mut report = Report::default();
    let mut rows = Vec::new();
    for &(path, instructions) in &counted {
        let (_, unit) = path.units();
        let title = format!("{}, per {unit}", path.title());
        let allowed = budget.get(&name(path)).copied();
        let cell = |value: f64| Cell {
            value,
            text: short(value),
            ratio: None,
        };
        rows.push(Row {
            id: name(path),
            title: title.clone(),
            cells: vec![cell(instructions), cell(allowed.unwrap_or(f64::NAN))],
        });
        report.bounds.push(Bound {
            what: format!("{title}: instructions, ratio to the budget"),
            reached: Estimate::exact(allowed.map_or(f64::NAN, |allowed| instructions / allowed)),
            limit: Limit::AtMost(TOLERANCE),
        });
    }
    let of = |path| {
        counted
            .iter()
            .find(|(other, _)| *other == path)
            .map(|&(_, count)| count)
    };
    if let (Some(short), Some(long)) = (of(Path::Bytes), of(Path::LongLineBytes)) {
        report.bounds.push(Bound {
            what: "1-byte reads: 16 KiB lines, ratio to 64 B lines".to_owned(),
            reached: Estimate::exact(long / short),
            limit: Limit::AtMost(LINEAR),
        });
    }
    let column = |id: &str| Column {
        id: id.to_owned(),
        title: id.to_owned(),
    };
    report.sections.push(Section {
        title: "instructions of the core, and of the listeners with smoltcp".to_owned(),
        columns: vec![column("counted"), column("budget")],
        rows,
    });
    Ok(report)
}

/// The instructions that `path` takes for each of its units.
fn count(path: Path) -> io::Result<f64> {
    let (units, _) = path.units();
    let run_bytes = if path.is_of_a_listener() {
        LISTENER_RUN_BYTES
    } else {
        RUN_BYTES
    };
    let times = (run_bytes / path.text().len()).max(1);
    let (once, twice) = (callgrind(path, times)?, callgrind(path, 2 * times)?);
    Ok((twice - once) as f64 / (times * units) as f64)
}

/// All the instructions of a process that walks `path` so many times: this program, told to.
fn callgrind(path: Path, times: usize) -> io::Result<u64> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(std::env::current_exe()?)
        .args(["--walk", &name(path), "--times", &times.to_string()])
        .env("GLIBC_TUNABLES", NO_REP_MOVSB)
        .stdin(Stdio::null())
        .output()
        .map_err(context("valgrind (install it: apt-get install valgrind)"))?;
    let says = String::from_utf8_lossy(&output.stderr);
    // "==PID== Collected : INSTRUCTIONS"
    says.lines()
        .find_map(|line| line.split_once("Collected :")?.1.trim().parse().ok())
        .filter(|_| output.status.success())
        .ok_or_else(|| io::Error::other(format!("callgrind counted nothing: {says}")))
}

/// The name of a path, for people and in the budget.
fn name(path: Path) -> String {
    let value = path.to_possible_value();
    value.map_or_else(String::new, |value| value.get_name().to_owned())
}

fn budget_file() -> PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("budgets/instructions.json")
}

fn read_budget() -> io::Result<Budget> {
    let file = budget_file();
    let text = fs::read_to_string(&file).map_err(context(file.display()))?;
    serde_json::from_str(&text).map_err(|error| context(file.display())(error.into()))
}

fn write_budget(counted: &[(Path, f64)]) -> io::Result<()> {
    let rounded = |count: f64| (count * 1000.0).round() / 1000.0;
    let budget: Budget = counted
        .iter()
        .map(|&(path, n)| (name(path), rounded(n)))
        .collect();
    let file = budget_file();
    let text = format!("{}\n", serde_json::to_string_pretty(&budget)?);
    fs::write(&file, text).map_err(context(file.display()))
}
