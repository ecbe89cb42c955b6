//! Texts to send.

use fastrand::Rng;

const ALPHABET: &[u8] = b"abcdefghijklmnopqrstuvwxyz";

/// About `length` bytes of lines: most shorter than `longest`, and all bytes in them, NUL, CR and
/// 0xFF more often than others. Ends with a `\n`.
pub(super) fn lines(rng: &mut Rng, length: usize, longest: usize) -> Vec<u8> {
    let mut text = Vec::with_capacity(length + longest);
    while text.len() < length {
        line(rng, longest, &mut text);
    }
    text
}

fn line(rng: &mut Rng, longest: usize, text: &mut Vec<u8>) {
    // Many lines are short, some empty.
    let longest = if rng.bool() { longest } else { longest.min(8) };
    for _ in 0..rng.usize(0..longest) {
        text.push(match rng.u8(..) {
            b'\n' | 0..=2 => 0,
            3..=5 => b'\r',
            6..=8 => 0xff,
            byte => byte,
        });
    }
    text.push(b'\n');
}

/// A line of `length` bytes, its `\n` included, that begins with `name` when there is room.
pub(super) fn line_of(name: &str, length: usize) -> Vec<u8> {
    let mut line = [
        name.as_bytes(),
        &ALPHABET.repeat(length / ALPHABET.len() + 1),
    ]
    .concat();
    line.truncate(length - 1);
    line.push(b'\n');
    line
}

/// `length` bytes of numbered lines, cheap to make; the last may lack its end.
pub(super) fn numbered(length: usize) -> Vec<u8> {
    let mut text = Vec::with_capacity(length + 64);
    let mut number = 0u64;
    while text.len() < length {
        text.extend_from_slice(number.to_string().as_bytes());
        text.extend_from_slice(&[b' '; 50][..(number % 50) as usize]);
        text.push(b'\n');
        number += 1;
    }
    text.truncate(length);
    text
}
