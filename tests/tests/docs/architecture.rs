//! The files and functions that `docs/ARCHITECTURE.md` names exist.

use std::fs;
use std::path::{Path, PathBuf};

use linecho_trials::{Stop, Trial, trials};

const PAGE: &str = include_str!("../../../docs/ARCHITECTURE.md");

pub(crate) fn trials() -> Vec<Trial> {
    trials![the_architecture_names_what_exists]
}

fn the_architecture_names_what_exists() -> Result<(), Stop> {
    let mut wrong = Vec::new();
    let mut named = 0;
    for line in PAGE.lines() {
        let files: Vec<_> = links(line).collect();
        let texts = files.iter().map(|file| {
            fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))
        });
        match texts.collect::<Result<Vec<_>, _>>() {
            Err(missing) => wrong.push(missing),
            Ok(texts) if !texts.is_empty() && line.starts_with('|') => {
                for name in names(line) {
                    named += 1;
                    if !texts.iter().any(|text| text.contains(name)) {
                        wrong.push(format!("`{name}` is in none of the files of: {line}"));
                    }
                }
            }
            Ok(_) => {}
        }
    }
    assert!(named > 30, "only {named} names were found");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

/// The files that a line links to.
fn links(line: &str) -> impl Iterator<Item = PathBuf> {
    let docs = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs"));
    let links = line.split("](").skip(1);
    links.map(move |link| docs.join(link.split(')').next().unwrap_or_default()))
}

/// The functions and types that a line names.
fn names(line: &str) -> impl Iterator<Item = &str> {
    let quoted = line.split('`').skip(1).step_by(2);
    quoted.filter(|name| name.chars().all(|it| it.is_alphanumeric() || it == '_'))
}
