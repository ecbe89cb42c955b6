//! The time that the core takes, compared with a floor, the least that a line echo has to do: copy
//! what a read brings (`memcpy`) and find the last `\n` in it (`memrchr`).

use std::hint::black_box;
use std::io;

use linecho_core::LongLines;

use super::paths::{Path, echo, session};
use crate::bench::estimate::Estimate;
use crate::bench::estimate::median;
use crate::bench::measure::thread_time;
use crate::bench::report::{Bound, Cell, Column, Limit, Report, Row, Section, short};

/// The shapes of input in which the two are compared, and how many times the floor's time the core
/// may take. It counts the lines besides, which takes a look at every byte.
const SHAPES: [(Path, f64); 3] = [(Path::Line, 1.6), (Path::Lines, 1.6), (Path::LongLine, 1.5)];

/// The number of turns of the two, and the bytes that each of them echoes in a turn.
const ROUNDS: usize = 501;
const TURN_BYTES: usize = 4 * 1024 * 1024;

/// Measures the three shapes.
///
/// # Errors
///
/// When the kernel does not tell the time of a thread.
pub fn run() -> io::Result<Report> {
    let mut report = Report::default();
    let mut rows = Vec::new();
    for (path, limit) in SHAPES {
        let text = path.text();
        let (units, unit) = path.units();
        let (floor, core, ratio) = compare(&text)?;
        let cell = |time: f64, ratio| Cell {
            value: time / units as f64,
            text: short(time / units as f64),
            ratio: Some(ratio),
        };
        rows.push(Row {
            id: format!("core.ns_per_{unit}_of_{}", text.len()),
            title: format!("{}, ns per {unit}", path.title()),
            cells: vec![cell(floor, 1.0), cell(core, ratio.median)],
        });
        report.bounds.push(Bound {
            what: format!("core, {}: time, ratio to the floor", path.title()),
            reached: ratio,
            limit: Limit::AtMost(limit),
        });
    }
    let column = |id: &str, title: &str| Column {
        id: id.to_owned(),
        title: title.to_owned(),
    };
    report.sections.push(Section {
        title: "the core without I/O, ratio to the floor (ns)".to_owned(),
        columns: vec![
            column("floor", "memcpy + memrchr"),
            column("core", "linecho-core"),
        ],
        rows,
    });
    Ok(report)
}

/// Bytes that begin with a page.
#[repr(align(4096))]
struct Pages([u8; 3 * AREA]);

/// The distance between what arrives, the floor's copy and the session's buffer, so that each
/// begins at another offset in a page. At equal offsets, a processor mistakes a load for one of the
/// bytes just stored 4 KiB away, and waits (Intel's optimization manual: 4-KByte memory aliasing).
const AREA: usize = 20 * 4096 + 1408;

/// Nanoseconds that the floor and the core take for a read of `text`, and the ratio, over the
/// rounds. Each round has its bytes at another offset in a page, since other bytes in use, such as
/// the stack, can be at an equal one.
fn compare(text: &[u8]) -> io::Result<(f64, f64, Estimate)> {
    let times = TURN_BYTES / text.len();
    let mut pages = Box::new(Pages([0; 3 * AREA]));
    let (arrived, rest) = pages.0.split_at_mut(AREA);
    let (buffer, storage) = rest.split_at_mut(AREA);
    let (mut floors, mut cores, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let place = round * 320 % 4096;
        let read = &mut arrived[place..][..text.len()];
        read.copy_from_slice(text);
        let read = &*read;
        let buffer = &mut buffer[place..][..64 * 1024];
        let mut session = session(&mut storage[place..][..64 * 1024], LongLines::Flush);
        let floor_time = nanoseconds(times, || floor(buffer, black_box(read)))?;
        let core_time = nanoseconds(times, || echo(&mut session, black_box(read)))?;
        floors.push(floor_time);
        cores.push(core_time);
        ratios.push(core_time / floor_time);
    }
    Ok((median(&floors), median(&cores), Estimate::of(&ratios)))
}

#[inline(never)]
fn floor(buffer: &mut [u8], read: &[u8]) {
    let arrived = &mut buffer[..read.len()];
    arrived.copy_from_slice(read);
    black_box(memchr::memrchr(b'\n', black_box(arrived)));
}

/// Nanoseconds that one of `times` steps takes.
fn nanoseconds(times: usize, mut step: impl FnMut()) -> io::Result<f64> {
    let start = thread_time()?;
    (0..times).for_each(|_| step());
    let time = thread_time()? - start;
    Ok(time.as_nanos() as f64 / times as f64)
}
