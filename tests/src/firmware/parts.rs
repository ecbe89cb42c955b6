//! The flash and RAM that each part of the firmware takes.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::elf::{Elf, Kind};
use super::root;

/// A part of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// `linecho-core`, with what it inlines of memchr.
    Core,
    /// `linecho-smoltcp`.
    Listener,
    /// smoltcp itself.
    Smoltcp,
    /// The board's files.
    Driver,
    /// Start-up, log, text formatting, `memcpy`, division, constants.
    Rest,
}

impl Part {
    /// All parts, in the order of a table.
    pub const ALL: [Self; 5] = [
        Self::Core,
        Self::Listener,
        Self::Smoltcp,
        Self::Driver,
        Self::Rest,
    ];

    /// The word for it in tables.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Core => "core",
            Self::Listener => "listener",
            Self::Smoltcp => "smoltcp",
            Self::Driver => "driver",
            Self::Rest => "rest",
        }
    }
}

/// Bytes by part, in the order of [`Part::ALL`].
#[derive(Clone, Copy, Debug, Default)]
pub struct Shares([u64; Part::ALL.len()]);

impl Shares {
    fn add(&mut self, part: Part, bytes: u64) {
        self.0[part as usize] += bytes;
    }

    /// The bytes of a part.
    #[must_use]
    pub fn of(&self, part: Part) -> u64 {
        self.0[part as usize]
    }

    /// Each share divided by `parts`.
    #[must_use]
    pub fn divided_by(mut self, parts: u64) -> Self {
        for share in &mut self.0 {
            *share /= parts;
        }
        self
    }

    /// The bytes of all parts.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }
}

/// Instructions have a multiple of two bytes.
const STEP: u64 = 2;

/// What is executed, by part: `count` is the number of times that the instruction at an address is.
#[must_use]
pub fn instructions(image: &Elf, count: impl Fn(u64) -> u64) -> Shares {
    let mut shares = Shares::default();
    let sections = image.sections.iter();
    for section in sections.filter(|section| section.kind == Kind::Code) {
        for address in (section.address..section.address + section.bytes).step_by(STEP as usize) {
            let count = count(address);
            if count > 0 {
                shares.add(part_of_code(&image.files_at(address)), count);
            }
        }
    }
    shares
}

/// Flash by part. The functions of all parts are inlined into each other, so every instruction is
/// asked where it comes from.
#[must_use]
pub fn flash(image: &Elf) -> Shares {
    let mut shares = Shares::default();
    for section in &image.sections {
        match section.kind {
            Kind::Code => {
                let end = section.address + section.bytes;
                for address in (section.address..end).step_by(STEP as usize) {
                    shares.add(
                        part_of_code(&image.files_at(address)),
                        STEP.min(end - address),
                    );
                }
            }
            Kind::Constants | Kind::Data => shares.add(Part::Rest, section.bytes),
            Kind::Zeros => {}
        }
    }
    shares
}

/// The flash of the listener by its source files, the largest first.
#[must_use]
pub fn listener_by_file(image: &Elf) -> Vec<(String, u64)> {
    let mut bytes_of = BTreeMap::<String, u64>::new();
    let sections = image.sections.iter();
    for section in sections.filter(|section| section.kind == Kind::Code) {
        let end = section.address + section.bytes;
        for address in (section.address..end).step_by(STEP as usize) {
            if let Some((Part::Listener, file)) = innermost(&image.files_at(address)) {
                *bytes_of.entry(file).or_default() += STEP.min(end - address);
            }
        }
    }
    let mut files: Vec<_> = bytes_of.into_iter().collect();
    files.sort_by_key(|&(_, bytes)| Reverse(bytes));
    files
}

/// The innermost file that belongs to a part: what a part inlines of Rust's own library is its.
fn part_of_code(files: &[String]) -> Part {
    innermost(files).map_or(Part::Rest, |(part, _)| part)
}

/// The same with the path of the file in the part's folder, if it has one of its own.
fn innermost(files: &[String]) -> Option<(Part, String)> {
    let root = root().canonicalize().unwrap_or_else(|_| root());
    let own = |folder: &str| root.join(folder).display().to_string() + "/";
    let (core, listener) = (own("core/src"), own("adapters/smoltcp/src"));
    files.iter().find_map(|file| {
        let part = if let Some(path) = file.strip_prefix(&listener) {
            return Some((Part::Listener, path.to_owned()));
        } else if file.starts_with(&core) || file.contains("/memchr-") {
            Part::Core
        } else if file.contains("/smoltcp-") {
            Part::Smoltcp
        } else if file.contains("src/board/") {
            Part::Driver
        } else {
            return None;
        };
        Some((part, file.clone()))
    })
}

/// RAM by part, by the names of the firmware's statics. The stack is not in it.
#[must_use]
pub fn ram(image: &Elf) -> Shares {
    let mut shares = Shares::default();
    for symbol in image
        .symbols_in(Kind::Zeros)
        .chain(image.symbols_in(Kind::Data))
    {
        let name = symbol.name.rsplit("::").next().unwrap_or_default();
        let part = match name {
            "RINGS" | "STORAGE" | "INTERFACE" => Part::Smoltcp,
            "LISTENER" | "LINES" => Part::Listener,
            "ETHERNET" => Part::Driver,
            _ => Part::Rest,
        };
        shares.add(part, symbol.bytes);
    }
    // What lies between symbols to align them.
    let sections = image.bytes(Kind::Zeros) + image.bytes(Kind::Data);
    shares.add(Part::Rest, sections.saturating_sub(shares.total()));
    shares
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_belongs_to_the_innermost_file_that_a_part_has() {
        let root = root().canonicalize().unwrap().display().to_string();
        let files = |names: &[&str]| -> Vec<String> {
            let full = |name: &&str| name.replace("ROOT", &root);
            names.iter().map(full).collect()
        };
        let listener = files(&[
            "/library/core/src/option.rs",
            "ROOT/adapters/smoltcp/src/hashed/table.rs",
            "/smoltcp-0.14.0/src/iface/mod.rs",
        ]);
        let file = "hashed/table.rs".to_owned();
        assert_eq!(innermost(&listener), Some((Part::Listener, file)));
        let core = files(&[
            "ROOT/core/src/session.rs",
            "ROOT/adapters/smoltcp/src/slot.rs",
        ]);
        assert_eq!(part_of_code(&core), Part::Core);
        assert_eq!(
            part_of_code(&files(&["/library/core/src/option.rs"])),
            Part::Rest
        );
    }
}
