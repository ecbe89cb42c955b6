//! The firmware beside the same image with a plain echo on smoltcp, and beside the same echo in C
//! on lwIP: bytes and instructions.

use std::path::Path;

use super::elf::Elf;
use super::instructions::{Work, count_image};
use super::parts::Part;
use super::{Board, Image, Problem, checks, lwip, parts};
use crate::bench::estimate::Estimate;
use crate::bench::report::{Bound, Cell, Column, Limit, Report, Row, Section};

/// The board of which all have a driver.
const BOARD: Board = Board::Lm3s6965evb;

/// Slots of the second image, from which the cost of an idle slot is taken.
const MANY_SLOTS: u8 = 12;

/// The figures of an image: its bytes, and the instructions of each work in the order of
/// [`Work::ALL`].
struct Figures {
    flash: u64,
    data_bss: u64,
    /// lwIP's image does not tell.
    stack: Option<u64>,
    work: Vec<u64>,
    /// Of each further slot that listens, for a line. lwIP has no such slots.
    idle_slot: u64,
}

impl Figures {
    fn of(elf: &Elf, work: Vec<u64>) -> Self {
        Self {
            flash: parts::flash(elf).total(),
            data_bss: parts::ram(elf).total(),
            stack: None,
            work,
            idle_slot: 0,
        }
    }

    fn of_work(&self, work: Work) -> u64 {
        let place = Work::ALL.iter().position(|&other| other == work);
        place.map_or(0, |place| self.work[place])
    }

    /// All of them, in the order of the table.
    fn all(&self) -> Vec<Option<u64>> {
        let mut all = vec![Some(self.flash), Some(self.data_bss), self.stack];
        all.extend(self.work.iter().copied().map(Some));
        all.push(Some(self.idle_slot));
        all
    }
}

/// Builds all images, boots and measures them.
///
/// # Errors
///
/// [`Problem::Missing`] without what one of them needs; [`Problem::Failed`] when one fails.
pub fn measure() -> Result<Report, Problem> {
    let image = Image::of(BOARD);
    let many = Image {
        slots: MANY_SLOTS,
        ..image
    };
    let (lwip, version) = lwip::build()?;
    let (ours, by_part) = measured(&image.build()?, &many.build()?)?;
    let (plain, _) = measured(&image.build_plain()?, &many.build_plain()?)?;
    let lwip = Figures::of(&Elf::read(&lwip)?, counted(&lwip)?);
    Ok(Report {
        bounds: bounds(&ours, &plain, &lwip),
        sections: vec![table([&ours, &plain, &lwip], &version), by_part],
    })
}

fn counted(image: &Path) -> Result<Vec<u64>, Problem> {
    let count = |work| count_image(image, BOARD, work).map(|measured| measured.each());
    Work::ALL.into_iter().map(count).collect()
}

/// The figures of an image, and the instructions of each work by part.
fn measured(few: &Path, many: &Path) -> Result<(Figures, Section), Problem> {
    let (elf, many_elf) = (Elf::read(few)?, Elf::read(many)?);
    let mut rows = Vec::new();
    let mut row = |id: &str, title: &str, share: &dyn Fn(Part) -> u64| {
        rows.push(Row {
            id: id.to_owned(),
            title: title.to_owned(),
            cells: Part::ALL.map(|part| cell(Some(share(part)), None)).into(),
        });
    };
    let mut work = Vec::new();
    let mut line = None;
    for each in Work::ALL {
        let measured = count_image(few, BOARD, each)?;
        let shares = measured.by_part(&elf);
        row(each.name(), each.title(), &|part| shares.of(part));
        work.push(measured.each());
        if each == Work::Line {
            line = Some((measured.each(), shares));
        }
    }
    let mut figures = Figures::of(&elf, work);
    if let Some((line, shares)) = line {
        let with_many = count_image(many, BOARD, Work::Line)?;
        let many_shares = with_many.by_part(&many_elf);
        let more = u64::from(MANY_SLOTS - Image::of(BOARD).slots);
        let each = |many: u64, few: u64| many.saturating_sub(few) / more;
        figures.idle_slot = each(with_many.each(), line);
        row("idle_slot", IDLE_SLOT, &|part| {
            each(many_shares.of(part), shares.of(part))
        });
    }
    figures.stack = Some(checks::stack(few, BOARD, Image::of(BOARD).slots)?.used);
    let section = Section {
        title: "linecho's instructions, by the part that they come from".to_owned(),
        columns: Part::ALL
            .map(|part| column(part.name(), part.name()))
            .into(),
        rows,
    };
    Ok((figures, section))
}

const IDLE_SLOT: &str = "each further idle slot, a line";

fn table([ours, plain, lwip]: [&Figures; 3], version: &str) -> Section {
    let mut titles = vec![
        ("flash", "flash, bytes"),
        ("data_bss", "data and bss, bytes"),
        ("stack", "stack, bytes"),
    ];
    titles.extend(Work::ALL.map(|work| (work.name(), work.title())));
    titles.push(("idle_slot", IDLE_SLOT));
    let (all, theirs) = ([ours.all(), plain.all(), lwip.all()], lwip.all());
    let row = |(place, (id, title)): (usize, (&str, &str))| Row {
        id: format!("firmware.{id}"),
        title: title.to_owned(),
        cells: all
            .iter()
            .map(|figures| cell(figures[place], theirs[place]))
            .collect(),
    };
    Section {
        title: format!("{BOARD}, 4 connections, ratio to lwIP (absolute)"),
        columns: vec![
            column("ours", "linecho"),
            column("smoltcp", "plain smoltcp"),
            column("lwip", version),
        ],
        rows: titles.into_iter().enumerate().map(row).collect(),
    }
}

fn column(id: &str, title: &str) -> Column {
    Column {
        id: id.to_owned(),
        title: title.to_owned(),
    }
}

/// A figure, with its ratio to another one, if there is one.
fn cell(figure: Option<u64>, to: Option<u64>) -> Cell {
    let value = figure.map_or(f64::NAN, |figure| figure as f64);
    Cell {
        value,
        text: figure.map_or_else(|| "unknown".to_owned(), |figure| figure.to_string()),
        ratio: to.filter(|&to| to > 0).map(|to| value / to as f64),
    }
}

fn bounds(ours: &Figures, plain: &Figures, lwip: &Figures) -> Vec<Bound> {
    let bound = |what: &str, reached: f64, limit: f64| Bound {
        what: what.to_owned(),
        reached: Estimate::exact(reached),
        limit: Limit::AtMost(limit),
    };
    let ratio = |work: Work, to: &Figures, name: &str, limit| {
        let reached = ours.of_work(work) as f64 / to.of_work(work) as f64;
        let what = format!("firmware, {}, ratio to {name}", work.title());
        bound(&what, reached, limit)
    };
    vec![
        ratio(Work::Line, lwip, "lwIP", 2.2),
        ratio(Work::LineOfMany, lwip, "lwIP", 0.95),
        ratio(Work::Kibibyte, lwip, "lwIP", 0.95),
        bound(
            "firmware, each further idle slot, instructions more than plain smoltcp",
            ours.idle_slot as f64 - plain.idle_slot as f64,
            20.0,
        ),
    ]
}
