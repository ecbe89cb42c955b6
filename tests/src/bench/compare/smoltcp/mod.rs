//! The comparison on smoltcp: the adapter beside a plain echo, written as smoltcp's users write it.

pub mod flat;
mod floor;
pub mod loopback;
#[path = "../../../../peers/smoltcp/src/echo.rs"]
pub mod plain;
mod segments;
mod stack;
pub mod tap;
mod wire;

use crate::bench::estimate::Estimate;
use crate::bench::estimate::median;
use crate::bench::report::{Cell, Column, Row, short};

/// The columns: the plain echo, then ours, then the plain one as its own control.
fn columns() -> Vec<Column> {
    let titles = [
        ("smoltcp", "plain smoltcp"),
        ("ours", "linecho"),
        ("smoltcp_again", "plain smoltcp again"),
    ];
    titles
        .map(|(id, title)| Column {
            id: id.to_owned(),
            title: title.to_owned(),
        })
        .into()
}

/// The figures of the plain echo, of ours, and of the plain one again, each in every round.
#[derive(Default)]
struct Rounds([Vec<f64>; 3]);

impl Rounds {
    fn add(&mut self, round: [f64; 3]) {
        for (all, figure) in self.0.iter_mut().zip(round) {
            all.push(figure);
        }
    }

    /// The ratio of ours to the plain one, taken within each round.
    fn ratio(&self) -> Estimate {
        self.ratio_of(1)
    }

    /// The ratio of ours to ours in `other`, whose rounds are the same.
    fn ratio_to(&self, other: &Self) -> Estimate {
        ratio(&self.0[1], &other.0[1])
    }

    /// The ratio of one of the three to the mean of the plain ones.
    fn ratio_of(&self, place: usize) -> Estimate {
        let plain = self.0[0].iter().zip(&self.0[2]);
        let plain: Vec<_> = plain
            .map(|(before, after)| (before + after) / 2.0)
            .collect();
        ratio(&self.0[place], &plain)
    }

    /// A row with the ratios to the plain echo.
    fn row(&self, id: &str, title: &str) -> Row {
        let cells = [0, 1, 2].map(|place| cell(&self.0[place], self.ratio_of(place)));
        Row {
            id: id.to_owned(),
            title: title.to_owned(),
            cells: cells.into(),
        }
    }
}

/// The ratio of `of` to `to`, taken within each round.
fn ratio(of: &[f64], to: &[f64]) -> Estimate {
    Estimate::of(
        &of.iter()
            .zip(to)
            .map(|(of, to)| of / to)
            .collect::<Vec<_>>(),
    )
}

fn cell(rounds: &[f64], ratio: Estimate) -> Cell {
    let value = median(rounds);
    Cell {
        value,
        text: short(value),
        ratio: Some(ratio.median),
    }
}
