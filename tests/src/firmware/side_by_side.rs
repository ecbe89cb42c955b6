//! The firmware beside the same echo in C on lwIP: bytes and instructions.

use std::path::Path;

use super::elf::Elf;
use super::instructions::{Work, count_image};
use super::{Board, Image, Problem, lwip, parts};

/// The figures of an image, in the order of the table.
fn figures(image: &Path) -> Result<Vec<(&'static str, u64)>, Problem> {
    let elf = Elf::read(image)?;
    let mut figures = vec![
        ("flash, bytes", parts::flash(&elf).total()),
        ("data and bss, bytes", parts::ram(&elf).total()),
    ];
    for work in Work::ALL {
        figures.push((work.title(), count_image(image, BOARD, work)?.each()));
    }
    Ok(figures)
}

/// The board of which both have a driver.
const BOARD: Board = Board::Lm3s6965evb;

/// Builds both, and prints the table.
///
/// # Errors
///
/// [`Problem::Missing`] without what one of them needs; [`Problem::Failed`] when one fails.
pub fn print() -> Result<(), Problem> {
    let (theirs, version) = lwip::build()?;
    let ours = figures(&Image::of(BOARD).build()?)?;
    let theirs = figures(&theirs)?;
    println!("| {BOARD}, 4 connections | linecho | {version} | ratio |\n|---|---:|---:|---:|");
    for ((title, ours), (_, theirs)) in ours.into_iter().zip(theirs) {
        let ratio = ours as f64 / theirs as f64;
        println!("| {title} | {ours} | {theirs} | {ratio:.2} |");
    }
    Ok(())
}
