//! The comparison on smoltcp: the adapter beside a plain echo, written as smoltcp's users write it.

pub mod flat;
pub mod loopback;
#[path = "../../../peers/smoltcp/src/echo.rs"]
pub mod plain;
mod segments;
pub mod tap;
mod wire;

use super::report::{Cell, Column, Row, short};
use crate::measure::median;

/// The columns: the plain echo, then ours.
fn columns() -> Vec<Column> {
    [("smoltcp", "plain smoltcp"), ("ours", "linecho")]
        .map(|(id, title)| Column {
            id: id.to_owned(),
            title: title.to_owned(),
        })
        .into()
}

/// What the two have reached, each in every round.
#[derive(Default)]
struct Rounds {
    plain: Vec<f64>,
    ours: Vec<f64>,
}

impl Rounds {
    /// The median of the ratios of ours to the plain one, each taken within a round.
    fn ratio(&self) -> f64 {
        ratio(&self.ours, &self.plain)
    }

    /// A row with the ratio to the plain echo.
    fn row(&self, id: &str, title: &str) -> Row {
        Row {
            id: id.to_owned(),
            title: title.to_owned(),
            cells: vec![cell(&self.plain, 1.0), cell(&self.ours, self.ratio())],
        }
    }
}

/// The median of the ratios of `of` to `to`, each taken within a round.
fn ratio(of: &[f64], to: &[f64]) -> f64 {
    median(
        &of.iter()
            .zip(to)
            .map(|(of, to)| of / to)
            .collect::<Vec<_>>(),
    )
}

fn cell(rounds: &[f64], ratio: f64) -> Cell {
    let value = median(rounds);
    Cell {
        value,
        text: short(value),
        ratio: Some(ratio),
    }
}
