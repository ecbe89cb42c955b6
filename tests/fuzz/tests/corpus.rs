//! The corpus, replayed on stable Rust, and seeded inputs made out of it.

use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

use linecho_fuzz::{LONGEST_INPUT, TARGETS, Target};

/// Inputs that are made for each target, by a seed that is always the same.
const MADE: u64 = 3_000;

/// Returns the inputs in the corpus of a target, by name.
fn corpus(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("corpus")
        .join(target);
    let files =
        fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut inputs: Vec<_> = files
        .map(|file| {
            let path = file.unwrap().path();
            let input = fs::read(&path).unwrap();
            (path, input)
        })
        .collect();
    inputs.sort();
    inputs
}

#[track_caller]
fn play(name: &str, target: Target, input: &[u8], what: &str) {
    assert!(input.len() <= LONGEST_INPUT, "{name}: {what} is too long");
    if catch_unwind(|| target(input)).is_err() {
        let file = std::env::temp_dir().join(format!("linecho-{name}-input"));
        fs::write(&file, input).unwrap();
        panic!("{name} fails on {what}; the input is in {}", file.display());
    }
}

#[test]
fn the_corpus_is_replayed() {
    for &(name, target) in TARGETS {
        let inputs = corpus(name);
        assert!(!inputs.is_empty(), "{name} has no corpus");
        for (path, input) in inputs {
            play(name, target, &input, &path.display().to_string());
        }
    }
}

#[test]
fn seeded_inputs_are_played() {
    for &(name, target) in TARGETS {
        let corpus = corpus(name);
        let mut random = fastrand::Rng::with_seed(7);
        for number in 0..MADE {
            let mut input = random.choice(&corpus).unwrap().1.clone();
            let other = &random.choice(&corpus).unwrap().1;
            change(&mut input, other, &mut random);
            play(name, target, &input, &format!("made input {number}"));
        }
    }
}

/// Changes an input in a few places, and joins it to another now and then.
fn change(input: &mut Vec<u8>, other: &[u8], random: &mut fastrand::Rng) {
    if random.u8(..4) == 0 {
        input.truncate(random.usize(..=input.len()));
        input.extend_from_slice(&other[random.usize(..=other.len())..]);
    }
    for _ in 0..random.u8(..6) {
        let at = random.usize(..=input.len());
        match random.u8(..3) {
            0 => input.insert(at, random.u8(..)),
            _ if at == input.len() => {}
            1 => input[at] = random.u8(..),
            _ => {
                input.remove(at);
            }
        }
    }
    input.truncate(LONGEST_INPUT);
}
