//! The instructions that a board executes for what its clients do.

use std::net::TcpStream;
use std::path::Path;

use super::checks::{accepted, round_trip, stream_through};
use super::counter::Counts;
use super::elf::{Elf, Kind};
use super::parts::{self, Shares};
use super::{Board, Machine, Problem};

/// The work of a client whose instructions are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// A line of 64 bytes, alone: its segment, its echo and the acknowledgements.
    Line,
    /// One of 22 lines of 64 bytes, which fill a segment.
    LineOfMany,
    /// A KiB of a stream of such lines, in both directions at the same time.
    Kibibyte,
    /// A connection: opened, used for a line, and closed.
    Connection,
}

/// A line of 64 bytes.
const LINE: [u8; 64] = *b"The quick brown fox jumps over the lazy dog, and then once more\n";
/// The lines of 64 bytes that fill a segment of 1,460 bytes.
const LINES: usize = 22;
/// The length of a stream, in KiB.
const STREAM: usize = 64;
/// The counts of which the median is taken: twice a second, the clock takes some instructions, too.
const TIMES: usize = 15;

impl Work {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::Line,
        Self::LineOfMany,
        Self::Kibibyte,
        Self::Connection,
    ];

    /// Its name in figures.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Line => "line",
            Self::LineOfMany => "line_of_22",
            Self::Kibibyte => "kib",
            Self::Connection => "connection",
        }
    }

    /// Its name in tables.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Line => "a line of 64 bytes",
            Self::LineOfMany => "22 lines in a segment, a line",
            Self::Kibibyte => "a stream of 64-byte lines, a KiB",
            Self::Connection => "connect, close",
        }
    }

    /// The number of units in one count.
    const fn units(self) -> u64 {
        match self {
            Self::Line | Self::Connection => 1,
            Self::LineOfMany => LINES as u64,
            Self::Kibibyte => STREAM as u64,
        }
    }

    /// How often it is counted.
    const fn times(self) -> usize {
        match self {
            Self::Kibibyte => 3,
            _ => TIMES,
        }
    }

    fn run(self, port: u16, open: &mut Option<TcpStream>) -> Result<(), Problem> {
        let connection = || accepted(port);
        match (self, open) {
            (Self::Line, Some(stream)) => round_trip(stream, &LINE),
            (Self::LineOfMany, Some(stream)) => round_trip(stream, &LINE.repeat(LINES)),
            (Self::Kibibyte, open) => match open.take() {
                Some(stream) => stream_through(stream, &LINE.repeat(STREAM * 1024 / LINE.len())),
                None => Ok(()),
            },
            (Self::Connection, _) => stream_through(connection()?, b""),
            (_, None) => Ok(()),
        }
    }
}

/// The instructions of one unit of `work`: the median of several counts, and that count by address.
///
/// # Errors
///
/// [`Problem::Failed`] when the board does not do its work.
fn count(machine: &Machine, work: Work) -> Result<Measured, Problem> {
    let mut counts = Vec::new();
    let mut open = None;
    for _ in 0..work.times() {
        if open.is_none() && work != Work::Connection {
            open = Some(accepted(machine.port())?);
        }
        let before = machine.instructions()?;
        work.run(machine.port(), &mut open)?;
        counts.push(before.until(&machine.instructions()?));
    }
    counts.sort_by_key(Counts::total);
    Ok(Measured {
        counts: counts.swap_remove(counts.len() / 2),
        units: work.units(),
    })
}

/// The instructions of one unit of `work` on a board that is booted for it, and stopped.
///
/// # Errors
///
/// As [`Machine::boot`], and when the board does not do its work.
pub fn count_image(image: &Path, board: Board, work: Work) -> Result<Measured, Problem> {
    let machine = Machine::boot_counted(image, board)?;
    let measured = count(&machine, work)?;
    machine.stop().map(|()| measured)
}

/// Counted instructions of some units of work.
#[derive(Clone, Debug)]
pub struct Measured {
    counts: Counts,
    units: u64,
}

impl Measured {
    /// The instructions of one unit.
    #[must_use]
    pub fn each(&self) -> u64 {
        self.counts.total() / self.units
    }

    /// The instructions of one unit by the part of the image that they come from.
    #[must_use]
    pub fn by_part(&self, elf: &Elf) -> Shares {
        parts::instructions(elf, |address| self.counts.in_range(address, 2)).divided_by(self.units)
    }

    /// The functions that execute the most instructions, and how many for one unit.
    #[must_use]
    pub fn functions<'e>(&self, elf: &'e Elf) -> Functions<'e> {
        let mut functions: Vec<_> = elf
            .symbols_in(Kind::Code)
            .map(|it| (it, self.counts.in_range(it.address, it.bytes) / self.units))
            .filter(|&(_, count)| count > 0)
            .collect();
        functions.sort_by_key(|&(it, count)| (std::cmp::Reverse(count), it.address));
        // A function may have several names.
        functions.dedup_by_key(|(it, _)| it.address);
        functions
            .into_iter()
            .map(|(it, count)| (it.name.as_str(), count))
            .collect()
    }
}

/// Functions with their instructions, those with the most first.
pub type Functions<'e> = Vec<(&'e str, u64)>;

/// The functions that execute more instructions in `many` than in `few`, divided by `parts`.
#[must_use]
pub fn difference<'e>(many: &Functions<'e>, few: &Functions<'_>, parts: u64) -> Functions<'e> {
    let before = |name| {
        let it = few.iter().find(|(other, _)| *other == name);
        it.map_or(0, |&(_, count)| count)
    };
    let mut functions: Vec<_> = many
        .iter()
        .map(|&(name, count)| (name, count.saturating_sub(before(name)) / parts))
        .filter(|&(_, count)| count > 0)
        .collect();
    functions.sort_by_key(|&(_, count)| std::cmp::Reverse(count));
    functions
}
