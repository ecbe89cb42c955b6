//! Budgets: what each figure of an image may be at most, for each way to get Rust's core library.

use std::fs;
use std::path::Path;

use serde_json::{Map, Value};

use super::Problem;
use super::toolchain::CoreLibrary;

/// Figures by their names, each with its value, or with what it may be at most.
pub type Figures = Map<String, Value>;

/// Reads the budget for `core` from a file: an object of such objects.
///
/// # Errors
///
/// [`Problem::Failed`] when there is none in the file, or no such file.
pub fn read(path: &Path, core: CoreLibrary) -> Result<Figures, Problem> {
    let shown = path.display();
    let text = fs::read_to_string(path)
        .map_err(|error| Problem::failed(format!("cannot read the budget {shown}: {error}")))?;
    let mut budgets: Map<String, Value> = serde_json::from_str(&text).map_err(|error| {
        Problem::failed(format!("the budget {shown} is not a JSON object: {error}"))
    })?;
    match budgets.remove(core.name()) {
        Some(Value::Object(budget)) => Ok(budget),
        _ => Err(Problem::failed(format!(
            "the budget {shown} has no object {:?}",
            core.name()
        ))),
    }
}

/// Prints the budget beside the figures, which are counts of `unit`.
///
/// # Errors
///
/// [`Problem::Failed`] when one is over it, or unknown.
pub fn hold(figures: &Figures, budget: &Figures, unit: &str) -> Result<(), Problem> {
    println!("\n| figure | {unit} | at most |\n|---|---:|---:|");
    let mut over = Vec::new();
    for (figure, limit) in budget {
        let (count, at_most) = (figures.get(figure).and_then(Value::as_u64), limit.as_u64());
        let shown = count.map_or_else(|| "unknown".to_owned(), |count| count.to_string());
        println!("| {figure} | {shown} | {limit} |");
        match (count, at_most) {
            (Some(count), Some(at_most)) if count <= at_most => {}
            _ => over.push(figure.as_str()),
        }
    }
    if over.is_empty() {
        return Ok(());
    }
    Err(Problem::failed(format!(
        "not within the budget: {}",
        over.join(", ")
    )))
}
