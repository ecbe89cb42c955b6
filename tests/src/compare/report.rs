//! What the comparison found: tables for people (Markdown, so that they can be shown as they are) and JSON.

use std::fmt;

use serde_json::{Value, json};

/// Figures that belong together: a row for each thing measured, a column for each server.
pub struct Section {
    /// What the figures are, with their unit.
    pub title: String,
    /// The names of the servers.
    pub columns: Vec<String>,
    /// The rows, in the order they are shown.
    pub rows: Vec<Row>,
}

/// One thing measured on every server.
pub struct Row {
    /// What it is.
    pub title: String,
    /// What each server reached, in the order of the columns.
    pub cells: Vec<Cell>,
}

/// What one server reached.
pub struct Cell {
    /// The median over the rounds.
    pub value: f64,
    /// `value` as people read it.
    pub text: String,
    /// The median of the ratios to the control, each taken within a round.
    pub ratio: Option<f64>,
}

/// A bound that the project holds.
pub struct Bound {
    /// What is bounded.
    pub what: String,
    /// What was reached.
    pub value: f64,
    /// What has to be.
    pub limit: Limit,
}

/// A limit, and the side of it to be on.
#[derive(Clone, Copy)]
pub enum Limit {
    /// The value may not be smaller.
    AtLeast(f64),
    /// The value may not be greater.
    AtMost(f64),
}

impl Bound {
    /// Whether it is kept. What could not be measured does not keep it.
    #[must_use]
    pub fn is_kept(&self) -> bool {
        match self.limit {
            Limit::AtLeast(limit) => self.value >= limit,
            Limit::AtMost(limit) => self.value <= limit,
        }
    }
}

impl fmt::Display for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let header = std::iter::once(self.title.clone()).chain(self.columns.iter().cloned());
        let rows = self.rows.iter().map(|row| {
            let cells = row.cells.iter().map(ToString::to_string);
            std::iter::once(row.title.clone()).chain(cells).collect()
        });
        table(f, &header.collect::<Vec<_>>(), &rows.collect::<Vec<_>>())
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.ratio {
            Some(ratio) => write!(f, "{ratio:.2} ({})", self.text),
            None => f.write_str(&self.text),
        }
    }
}

/// The bounds as a table.
pub struct Bounds<'a>(pub &'a [Bound]);

impl fmt::Display for Bounds<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let header = ["bound", "reached", "limit", "verdict"].map(str::to_owned);
        let rows = self.0.iter().map(|bound| {
            let limit = match bound.limit {
                Limit::AtLeast(limit) => format!("at least {limit}"),
                Limit::AtMost(limit) => format!("at most {limit}"),
            };
            let verdict = if bound.is_kept() {
                "kept"
            } else {
                "FALLS SHORT"
            };
            vec![
                bound.what.clone(),
                short(bound.value),
                limit,
                verdict.to_owned(),
            ]
        });
        table(f, &header, &rows.collect::<Vec<_>>())
    }
}

/// A figure with as many digits as say something.
#[must_use]
pub fn short(value: f64) -> String {
    match value {
        v if v >= 100.0 => format!("{v:.0}"),
        v if v >= 10.0 => format!("{v:.1}"),
        v => format!("{v:.3}"),
    }
}

/// The sections and bounds for scripts.
#[must_use]
pub fn json(sections: &[Section], bounds: &[Bound]) -> Value {
    let section = |section: &Section| {
        let row = |row: &Row| {
            let cells = section
                .columns
                .iter()
                .zip(&row.cells)
                .map(|(column, cell)| {
                    (
                        column.clone(),
                        json!({ "value": cell.value, "ratio": cell.ratio }),
                    )
                });
            json!({ "title": row.title, "servers": Value::Object(cells.collect()) })
        };
        json!({ "title": section.title, "rows": section.rows.iter().map(row).collect::<Vec<_>>() })
    };
    let bound = |bound: &Bound| {
        let (side, limit) = match bound.limit {
            Limit::AtLeast(limit) => ("at least", limit),
            Limit::AtMost(limit) => ("at most", limit),
        };
        json!({
            "what": bound.what,
            "value": bound.value,
            "side": side,
            "limit": limit,
            "kept": bound.is_kept(),
        })
    };
    json!({
        "sections": sections.iter().map(section).collect::<Vec<_>>(),
        "bounds": bounds.iter().map(bound).collect::<Vec<_>>(),
    })
}

/// A Markdown table whose columns are aligned in the terminal as well.
fn table(f: &mut fmt::Formatter<'_>, header: &[String], rows: &[Vec<String>]) -> fmt::Result {
    let widths: Vec<usize> = (0..header.len())
        .map(|column| {
            let cells = rows.iter().filter_map(|row| row.get(column));
            cells
                .chain(header.get(column))
                .map(|cell| cell.chars().count())
                .max()
                .unwrap_or(0)
        })
        .collect();
    let line = |f: &mut fmt::Formatter<'_>, cells: &[String]| {
        for (cell, &width) in cells.iter().zip(&widths) {
            write!(f, "| {cell:width$} ")?;
        }
        writeln!(f, "|")
    };
    line(f, header)?;
    for width in &widths {
        write!(f, "|{}", "-".repeat(width + 2))?;
    }
    writeln!(f, "|")?;
    rows.iter().try_for_each(|row| line(f, row))
}
