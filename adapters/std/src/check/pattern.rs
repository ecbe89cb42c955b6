//! Numbered lines, of which every part shows where it belongs.

use std::fmt;

/// The length of a line, its newline included.
pub(super) const LINE: u64 = 64;
/// A line whose number is 0.
const TEMPLATE: &[u8; LINE as usize] =
    b"0000000000 lmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijk\n";
/// Bytes that identify a place: a line and its number are among them.
const WINDOW: usize = 80;
/// The distance within which a displaced part is looked for.
const REACH: u64 = 64 * 1024;

/// Returns how many of so many bytes are in whole lines.
pub(super) fn whole_lines(bytes: u64) -> u64 {
    bytes - bytes % LINE
}

/// A stream of numbered lines of 64 bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pattern;

/// The kind of a difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Difference {
    Changed,
    Lost(u64),
    Added(u64),
    Duplicated(u64),
    Reordered,
}

impl Difference {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Changed => "bytes changed",
            Self::Lost(_) => "bytes lost",
            Self::Added(_) => "bytes added",
            Self::Duplicated(_) => "bytes duplicated",
            Self::Reordered => "parts swapped",
        }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Changed | Self::Reordered => f.write_str(self.word()),
            Self::Lost(n) | Self::Added(n) | Self::Duplicated(n) => {
                write!(f, "{n} {}", self.word())
            }
        }
    }
}

impl Pattern {
    /// Writes the bytes from this position on.
    pub(super) fn fill(self, from: u64, mut bytes: &mut [u8]) {
        let mut line = [0; LINE as usize];
        let mut number = from / LINE;
        let mut skip = (from % LINE) as usize;
        while !bytes.is_empty() {
            self.line(number, &mut line);
            let part = &line[skip..];
            let (now, rest) = bytes.split_at_mut(part.len().min(bytes.len()));
            now.copy_from_slice(&part[..now.len()]);
            bytes = rest;
            number += 1;
            skip = 0;
        }
    }

    fn line(self, number: u64, line: &mut [u8; LINE as usize]) {
        line.copy_from_slice(TEMPLATE);
        let mut rest = number;
        for digit in line[..10].iter_mut().rev() {
            *digit = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
    }

    fn at(self, from: u64) -> [u8; WINDOW] {
        let mut bytes = [0; WINDOW];
        self.fill(from, &mut bytes);
        bytes
    }

    /// Says what happened at this position, where `came` came, which begins with the first byte
    /// that is different.
    pub(super) fn difference(self, at: u64, came: &[u8]) -> Difference {
        let Some(first) = came.get(..WINDOW) else {
            return Difference::Changed;
        };
        let due = self.at(at);
        if first[1..] == due[1..] {
            return Difference::Changed;
        }
        if let Some(distance) = (1..=REACH).find(|distance| self.at(at + distance) == first) {
            let comes_later = came.windows(WINDOW).any(|window| window == due);
            return match comes_later {
                true => Difference::Reordered,
                false => Difference::Lost(distance),
            };
        }
        let back = 1..=REACH.min(at);
        if let Some(distance) = back
            .into_iter()
            .find(|distance| self.at(at - distance) == first)
        {
            return Difference::Duplicated(distance);
        }
        match came.windows(WINDOW).position(|window| window == due) {
            Some(added) => Difference::Added(added as u64),
            None => Difference::Changed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(from: u64, to: u64) -> Vec<u8> {
        let mut bytes = vec![0; usize::try_from(to - from).unwrap()];
        Pattern.fill(from, &mut bytes);
        bytes
    }

    #[test]
    fn lines_are_numbered() {
        let text = String::from_utf8(bytes(64, 192)).unwrap();
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.len(), 2);
        assert!(lines[0].starts_with("0000000001 l") && lines[0].len() == 63);
        assert!(lines[1].starts_with("0000000002 l"));
    }

    #[test]
    fn each_kind_of_difference_is_told_from_the_others() {
        let at = 1000;
        let mut changed = bytes(at, 2000);
        changed[0] ^= 1;
        let cases = [
            (changed, Difference::Changed),
            (bytes(at + 1, 2000), Difference::Lost(1)),
            (bytes(at + 500, 2000), Difference::Lost(500)),
            (bytes(at - 300, 2000), Difference::Duplicated(300)),
            (
                [b"++".to_vec(), bytes(at, 2000)].concat(),
                Difference::Added(2),
            ),
            (
                [
                    bytes(at + 400, at + 800),
                    bytes(at, at + 400),
                    bytes(at + 800, 3000),
                ]
                .concat(),
                Difference::Reordered,
            ),
        ];
        for (came, difference) in cases {
            assert_eq!(Pattern.difference(at, &came), difference);
        }
    }
}
