//! Reads the ELF files of images: sections, symbols, and the source of every instruction.

use std::fs;
use std::path::Path;
use std::rc::Rc;

use gimli::{Dwarf, EndianRcSlice, RunTimeEndian};
use object::{Object, ObjectSection, ObjectSymbol, SectionFlags, SymbolKind, elf};

use super::Problem;

/// A section that takes memory on the board.
#[derive(Clone, Debug)]
pub struct Section {
    /// Its name, such as `.text`.
    pub name: String,
    /// Its first address.
    pub address: u64,
    /// Its length in bytes.
    pub bytes: u64,
    /// The kind of memory that it takes.
    pub kind: Kind,
}

/// The kind of memory that a section takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Instructions, in flash.
    Code,
    /// Constants, in flash.
    Constants,
    /// Variables with a value to begin with: in RAM, and the value in flash.
    Data,
    /// Variables that begin as zeros, in RAM.
    Zeros,
}

/// A function, constant or variable.
#[derive(Clone, Debug)]
pub struct Symbol {
    /// Its name as people write it, with the path of its modules.
    pub name: String,
    /// Its first address.
    pub address: u64,
    /// Its length in bytes.
    pub bytes: u64,
}

/// The debug information.
type Lines = addr2line::Context<EndianRcSlice<RunTimeEndian>>;

/// The content of an image.
pub struct Elf {
    /// The sections that take memory.
    pub sections: Vec<Section>,
    /// The symbols that have a length.
    pub symbols: Vec<Symbol>,
    lines: Lines,
}

impl Elf {
    /// Reads the file at `path`.
    ///
    /// # Errors
    ///
    /// [`Problem::Failed`] when it cannot be read, or is not such a file.
    pub fn read(path: &Path) -> Result<Self, Problem> {
        let failed = |error: &dyn std::fmt::Display| {
            Problem::failed(format!("cannot read {}: {error}", path.display()))
        };
        let bytes = fs::read(path).map_err(|error| failed(&error))?;
        let file = object::File::parse(&*bytes).map_err(|error| failed(&error))?;
        let sections = file.sections().filter_map(|section| {
            Some(Section {
                name: section.name().ok()?.to_owned(),
                address: section.address(),
                bytes: section.size(),
                kind: kind(&section)?,
            })
        });
        let symbols = file.symbols().filter(|symbol| {
            symbol.size() > 0 && matches!(symbol.kind(), SymbolKind::Text | SymbolKind::Data)
        });
        let symbols = symbols.filter_map(|symbol| {
            Some(Symbol {
                name: format!("{:#}", rustc_demangle::demangle(symbol.name().ok()?)),
                address: symbol.address() & !thumb_bit(&symbol),
                bytes: symbol.size(),
            })
        });
        Ok(Self {
            sections: sections.filter(|section| section.bytes > 0).collect(),
            symbols: symbols.collect(),
            lines: lines(&file).map_err(|error| failed(&error))?,
        })
    }

    /// The bytes of all sections of a kind.
    #[must_use]
    pub fn bytes(&self, kind: Kind) -> u64 {
        let sections = self.sections.iter();
        sections
            .filter(|section| section.kind == kind)
            .map(|section| section.bytes)
            .sum()
    }

    /// The symbols in sections of a kind.
    pub fn symbols_in(&self, kind: Kind) -> impl Iterator<Item = &Symbol> {
        self.symbols.iter().filter(move |symbol| {
            self.sections.iter().any(|section| {
                section.kind == kind
                    && (section.address..section.address + section.bytes).contains(&symbol.address)
            })
        })
    }

    /// The source files that the instruction at an address comes from: that of the innermost
    /// inlined function first, that of the function that holds the address last.
    #[must_use]
    pub fn files_at(&self, address: u64) -> Vec<String> {
        let mut files = Vec::new();
        if let Ok(mut frames) = self.lines.find_frames(address).skip_all_loads() {
            while let Ok(Some(frame)) = frames.next() {
                files.extend(
                    frame
                        .location
                        .and_then(|location| location.file.map(str::to_owned)),
                );
            }
        }
        files
    }

    /// Function, file and line of the instruction at an address: of the innermost function that is
    /// not of Rust's own library.
    #[must_use]
    pub fn place(&self, address: u64) -> Option<String> {
        let mut frames = self.lines.find_frames(address).skip_all_loads().ok()?;
        while let Ok(Some(frame)) = frames.next() {
            let (function, location) = (frame.function?, frame.location?);
            let (file, line) = (location.file?, location.line?);
            if !file.contains("/library/core/") {
                return Some(format!("{} at {file}:{line}", function.demangle().ok()?));
            }
        }
        None
    }
}

/// Loads the debug information. That of an image is complete: nothing lies in other files.
fn lines(file: &object::File<'_>) -> Result<Lines, gimli::Error> {
    let endian = if file.is_little_endian() {
        RunTimeEndian::Little
    } else {
        RunTimeEndian::Big
    };
    let dwarf = Dwarf::load(|id| {
        let section = file.section_by_name(id.name());
        let data = section.and_then(|section| section.data().ok());
        let data = Rc::from(data.unwrap_or_default());
        Ok::<_, gimli::Error>(EndianRcSlice::new(data, endian))
    })?;
    addr2line::Context::from_dwarf(dwarf)
}

/// In a function's address, Arm's Thumb bit says which instructions it has.
fn thumb_bit<'a>(symbol: &impl ObjectSymbol<'a>) -> u64 {
    u64::from(symbol.kind() == SymbolKind::Text)
}

fn kind<'a>(section: &impl ObjectSection<'a>) -> Option<Kind> {
    let SectionFlags::Elf { sh_flags, .. } = section.flags() else {
        return None;
    };
    let has = |flag| sh_flags.contains(flag);
    if !has(elf::SHF_ALLOC) {
        None
    } else if has(elf::SHF_EXECINSTR) {
        Some(Kind::Code)
    } else if !has(elf::SHF_WRITE) {
        Some(Kind::Constants)
    } else if section.kind().is_bss() {
        Some(Kind::Zeros)
    } else {
        Some(Kind::Data)
    }
}
