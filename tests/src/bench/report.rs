//! The report of a measurement: tables for people (Markdown, so that they can be shown as they are)
//! and JSON.

use std::fmt;
use std::fs;
use std::io::{self, Write as _};
use std::path::Path;

use serde_json::{Value, json};

use crate::bench::context;
use crate::bench::estimate::Estimate;

/// All that was found.
#[derive(Default)]
pub struct Report {
    /// The figures.
    pub sections: Vec<Section>,
    /// The bounds that they were held against.
    pub bounds: Vec<Bound>,
}

impl Report {
    /// Adds what another part found.
    pub fn append(&mut self, other: Self) {
        self.sections.extend(other.sections);
        self.bounds.extend(other.bounds);
    }

    /// Prints it, and writes it to the file `json` as well if that is wanted. Whether no bound
    /// falls short.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub fn publish(&self, json: Option<&Path>) -> io::Result<bool> {
        let mut output = io::stdout().lock();
        for section in &self.sections {
            writeln!(output, "{section}")?;
        }
        if !self.bounds.is_empty() {
            write!(output, "{}", Bounds(&self.bounds))?;
        }
        if let Some(path) = json {
            fs::write(path, format!("{:#}\n", self.json()))
                .map_err(context(format_args!("write {}", path.display())))?;
        }
        let falls_short = |bound: &Bound| bound.verdict() == Verdict::FallsShort;
        Ok(!self.bounds.iter().any(falls_short))
    }

    fn json(&self) -> Value {
        json!({
            "sections": self.sections.iter().map(Section::json).collect::<Vec<_>>(),
            "bounds": self.bounds.iter().map(Bound::json).collect::<Vec<_>>(),
        })
    }
}

/// Figures that belong together: a row for each thing measured, a column for each server.
pub struct Section {
    /// The title of the figures, with their unit.
    pub title: String,
    /// The servers.
    pub columns: Vec<Column>,
    /// The rows, in the order they are shown.
    pub rows: Vec<Row>,
}

impl Section {
    /// Figures of one run, in one column.
    #[must_use]
    pub fn totals(title: String, rows: Vec<Row>) -> Self {
        let column = Column {
            id: "total".into(),
            title: "total".into(),
        };
        Self {
            title,
            columns: vec![column],
            rows,
        }
    }
}

/// A server.
#[derive(Clone)]
pub struct Column {
    /// Its name for scripts.
    pub id: String,
    /// Its name for people.
    pub title: String,
}

/// One thing measured on every server.
pub struct Row {
    /// Its name for scripts.
    pub id: String,
    /// Its name for people.
    pub title: String,
    /// The figures of each server, in the order of the columns.
    pub cells: Vec<Cell>,
}

impl Row {
    /// One figure, for [`Section::totals`].
    #[must_use]
    pub fn total(id: &str, title: &str, value: f64) -> Self {
        let cell = Cell {
            value,
            text: short(value),
            ratio: None,
        };
        Self {
            id: id.into(),
            title: title.into(),
            cells: vec![cell],
        }
    }
}

/// The figure of one server.
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
    /// The quantity that is bounded.
    pub what: String,
    /// The figure that was reached.
    pub reached: Estimate,
    /// The limit that must hold.
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

impl Limit {
    fn is_kept_by(self, value: f64) -> bool {
        match self {
            Self::AtLeast(limit) => value >= limit,
            Self::AtMost(limit) => value <= limit,
        }
    }
}

/// The verdict on a bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The median keeps it.
    Kept,
    /// The median does not, but by so little that another run may well say otherwise.
    WithinNoise,
    /// It is broken, as far as these rounds can tell.
    FallsShort,
}

impl Verdict {
    fn title(self) -> &'static str {
        match self {
            Self::Kept => "kept",
            Self::WithinNoise => "within noise",
            Self::FallsShort => "FALLS SHORT",
        }
    }
}

impl Bound {
    /// Returns the verdict. What could not be measured does not keep it.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        let Estimate { median, low, high } = self.reached;
        let best = match self.limit {
            Limit::AtLeast(_) => high,
            Limit::AtMost(_) => low,
        };
        if self.limit.is_kept_by(median) {
            Verdict::Kept
        } else if self.limit.is_kept_by(best) {
            Verdict::WithinNoise
        } else {
            Verdict::FallsShort
        }
    }

    fn json(&self) -> Value {
        let (side, limit) = match self.limit {
            Limit::AtLeast(limit) => ("at least", limit),
            Limit::AtMost(limit) => ("at most", limit),
        };
        json!({
            "what": self.what,
            "value": self.reached.median,
            "low": self.reached.low,
            "high": self.reached.high,
            "side": side,
            "limit": limit,
            "verdict": self.verdict().title(),
        })
    }
}

impl Section {
    fn json(&self) -> Value {
        let row = |row: &Row| {
            let cells = self.columns.iter().zip(&row.cells).map(|(column, cell)| {
                let figures = json!({ "value": cell.value, "ratio": cell.ratio });
                (column.id.clone(), figures)
            });
            let servers = Value::Object(cells.collect());
            json!({ "id": row.id, "title": row.title, "servers": servers })
        };
        json!({ "title": self.title, "rows": self.rows.iter().map(row).collect::<Vec<_>>() })
    }
}

impl fmt::Display for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let servers = self.columns.iter().map(|column| column.title.clone());
        let header = std::iter::once(self.title.clone()).chain(servers);
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
struct Bounds<'a>(&'a [Bound]);

impl fmt::Display for Bounds<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let header = ["bound", "reached (95 % range)", "limit", "verdict"].map(str::to_owned);
        let rows = self.0.iter().map(|bound| {
            let limit = match bound.limit {
                Limit::AtLeast(limit) => format!("at least {limit}"),
                Limit::AtMost(limit) => format!("at most {limit}"),
            };
            let Estimate { median, low, high } = bound.reached;
            let [median, low, high] = [median, low, high].map(short);
            vec![
                bound.what.clone(),
                match low == high {
                    true => median,
                    false => format!("{median} ({low} to {high})"),
                },
                limit,
                bound.verdict().title().to_owned(),
            ]
        });
        table(f, &header, &rows.collect::<Vec<_>>())
    }
}

/// A figure with as many digits as say something.
#[must_use]
pub fn short(value: f64) -> String {
    if value < 10.0 {
        return format!("{value:.3}");
    }
    if value < 100.0 {
        return format!("{value:.1}");
    }
    let digits = format!("{value:.0}");
    let mut grouped = String::new();
    for (place, digit) in digits.char_indices() {
        if place > 0 && (digits.len() - place) % 3 == 0 {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
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

#[cfg(test)]
mod tests {
    use super::{Bound, Estimate, Limit, Verdict, short};

    #[test]
    fn a_bound_falls_short_when_no_median_within_the_noise_keeps_it() {
        let verdict = |limit| {
            let what = String::new();
            let reached = Estimate {
                median: 2.0,
                low: 1.0,
                high: 3.0,
            };
            let bound = Bound {
                what,
                reached,
                limit,
            };
            bound.verdict()
        };
        for (least, most, expected) in [
            (2.0, 2.0, Verdict::Kept),
            (3.0, 1.0, Verdict::WithinNoise),
            (3.1, 0.9, Verdict::FallsShort),
        ] {
            assert_eq!(verdict(Limit::AtLeast(least)), expected);
            assert_eq!(verdict(Limit::AtMost(most)), expected);
        }
        let bound = Bound {
            what: String::new(),
            reached: Estimate::of(&[]),
            limit: Limit::AtMost(1.0),
        };
        assert_eq!(bound.verdict(), Verdict::FallsShort, "nothing was measured");
    }

    #[test]
    fn figures_have_the_digits_that_say_something() {
        let shown = [0.1259, 9.9, 42.42, 999.5, 3_676_123.4].map(short);
        assert_eq!(shown, ["0.126", "9.900", "42.4", "1,000", "3,676,123"]);
    }
}
