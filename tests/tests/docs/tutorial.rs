//! Runs `docs/TUTORIAL.md` word for word, in a network namespace, so that its ports are free. Each
//! section is a test, with the commands of the first section and of its own.

use std::env;
use std::path::Path;

use linecho_tests::firmware::{Board, Image};
use linecho_tests::namespace::{self, Test};
use linecho_trials::{Stop, Trial, trial, trials};

use crate::shell::Shell;

const PAGE: &str = include_str!("../../../docs/TUTORIAL.md");

/// The headings, with their tests.
pub(crate) const SECTIONS: [Test; 7] = [
    ("Build", || section("Build")),
    ("One line", || section("One line")),
    ("The client", || section("The client")),
    ("A stack of its own", || section("A stack of its own")),
    ("A bad link", || section("A bad link")),
    ("A network of its own", || section("A network of its own")),
    (FIRMWARE, || section(FIRMWARE)),
];

/// The heading of the section that builds the firmware.
const FIRMWARE: &str = "A microcontroller";

/// The programs that the page names, and their packages in Debian.
const PROGRAMS: [(&str, &str); 3] = [
    ("nc", "netcat-openbsd"),
    ("tcpdump", "tcpdump"),
    ("qemu-system-arm", "qemu-system-arm"),
];

pub(crate) fn trials() -> Vec<Trial> {
    let mut trials = trials![every_section_is_a_test];
    trials.extend(SECTIONS.map(|(heading, _)| {
        trial(heading, move || {
            if heading == FIRMWARE {
                // In the namespace cargo can fetch nothing.
                Image::of(Board::Lm3s6965evb).build()?;
            }
            namespace::run(heading)
        })
    }));
    trials
}

fn every_section_is_a_test() -> Result<(), Stop> {
    let headings: Vec<_> = sections().map(|(heading, _)| heading).collect();
    assert_eq!(headings, SECTIONS.map(|(heading, _)| heading));
    Ok(())
}

/// The sections of the page: heading and text.
fn sections() -> impl Iterator<Item = (&'static str, &'static str)> {
    let sections = PAGE.split("\n## ").skip(1);
    sections.map(|section| section.split_once('\n').unwrap_or((section, "")))
}

fn section(heading: &str) -> Result<(), Stop> {
    let mut all = sections();
    let first = all.next().map(|(_, text)| text);
    let own = all
        .find(|(other, _)| *other == heading)
        .map(|(_, text)| text);
    let mut shell = Shell::start(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/..")))?;
    for text in first.into_iter().chain(own) {
        let needed = PROGRAMS.into_iter().filter(|(name, _)| text.contains(name));
        for (name, package) in needed {
            if !is_installed(name) {
                return Err(Stop::no_program(name, package));
            }
        }
        for Command { command, expected } in commands(text) {
            let actual = shell.run(command)?;
            if !matches(&expected, &actual) {
                let (expected, actual) = (expected.join("\n"), actual.join("\n"));
                return Err(Stop::Failed(format!(
                    "$ {command}\nThe page says:\n{expected}\nWhat came:\n{actual}"
                )));
            }
        }
    }
    Ok(())
}

fn is_installed(program: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

/// A command of the page, and the lines that follow it.
struct Command {
    command: &'static str,
    expected: Vec<&'static str>,
}

fn commands(text: &'static str) -> Vec<Command> {
    let mut commands: Vec<Command> = Vec::new();
    let blocks = text.split("```console\n").skip(1);
    for line in blocks.flat_map(|block| block.split("```").next().unwrap_or_default().lines()) {
        match (line.strip_prefix("$ "), commands.last_mut()) {
            (Some(command), _) => commands.push(Command {
                command,
                expected: Vec::new(),
            }),
            (None, Some(last)) => last.expected.push(line),
            (None, None) => {}
        }
    }
    commands
}

/// True if the lines are as expected. `...` is any text within a line, and any lines where it is
/// alone.
fn matches(expected: &[&str], actual: &[String]) -> bool {
    match (expected.split_first(), actual.split_first()) {
        (None, first) => first.is_none(),
        (Some((&"...", rest)), _) => (0..=actual.len()).any(|n| matches(rest, &actual[n..])),
        (Some((line, rest)), Some((first, others))) => {
            line_matches(line, first) && matches(rest, others)
        }
        (Some(_), None) => false,
    }
}

fn line_matches(expected: &str, mut line: &str) -> bool {
    let Some((start, gaps)) = expected.split_once("...") else {
        return expected == line;
    };
    let Some(rest) = line.strip_prefix(start) else {
        return false;
    };
    line = rest;
    let mut pieces: Vec<_> = gaps.split("...").collect();
    let end = pieces.pop().unwrap_or_default();
    for piece in pieces {
        match line.split_once(piece) {
            Some((_, rest)) => line = rest,
            None => return false,
        }
    }
    line.ends_with(end)
}
