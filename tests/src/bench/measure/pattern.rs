//! Lines that are known at every position, so that each byte that comes back can be checked with
//! one comparison.

/// The longest piece that [`Pattern::at`] gives: what a client reads at once.
pub const LONGEST: usize = 256 * 1024;

/// At least this many bytes go by before a line comes again.
const PERIOD: usize = 64 * 1024;

/// An endless text of lines of one length. No two lines of a period are alike, so a line that is
/// lost, doubled or given to the wrong connection does not compare equal.
pub struct Pattern {
    line_bytes: usize,
    period: usize,
    /// One period, and as much of the next that each piece is contiguous.
    bytes: Vec<u8>,
}

impl Pattern {
    /// The text whose lines have `line_bytes` bytes, the `\n` included.
    ///
    /// # Panics
    ///
    /// When `line_bytes` is less than 8: the lines could not differ.
    #[must_use]
    pub fn new(line_bytes: usize) -> Self {
        assert!(line_bytes >= 8, "a line of the pattern has 8 bytes or more");
        let lines = (PERIOD / line_bytes).max(16);
        let mut bytes: Vec<u8> = (0..lines).flat_map(|n| line(n, line_bytes)).collect();
        let period = bytes.len();
        while bytes.len() < period + LONGEST {
            bytes.extend_from_within(..period.min(period + LONGEST - bytes.len()));
        }
        Self {
            line_bytes,
            period,
            bytes,
        }
    }

    /// The bytes of a line, its `\n` included.
    #[must_use]
    pub fn line_bytes(&self) -> usize {
        self.line_bytes
    }

    /// The `length` bytes from `position` on, at most [`LONGEST`].
    #[must_use]
    pub fn at(&self, position: u64, length: usize) -> &[u8] {
        let start = (position % self.period as u64) as usize;
        &self.bytes[start..start + length]
    }

    /// The position where the text of connection number `connection` begins: neighbours begin with
    /// different lines.
    #[must_use]
    pub fn start(&self, connection: usize) -> u64 {
        (connection * self.line_bytes % self.period) as u64
    }
}

/// Line number `n`: its number, then letters that depend on it.
fn line(n: usize, line_bytes: usize) -> Vec<u8> {
    let mut line = format!("{n:06}").into_bytes();
    line.extend(
        (0..)
            .map(|i| b'a' + ((n * 7 + i * (n % 5 + 1)) % 26) as u8)
            .take(line_bytes - 7),
    );
    line.push(b'\n');
    line
}

#[cfg(test)]
mod tests {
    use super::{LONGEST, Pattern};

    #[test]
    fn every_piece_is_of_whole_lines_that_differ() {
        for line_bytes in [8, 64, 16 * 1024] {
            let pattern = Pattern::new(line_bytes);
            let period = pattern.at(0, pattern.period);
            let mut lines: Vec<_> = period.split_inclusive(|&b| b == b'\n').collect();
            assert!(lines.iter().all(|line| line.len() == line_bytes));
            let count = lines.len();
            lines.sort_unstable();
            lines.dedup();
            assert_eq!(lines.len(), count);
        }
    }

    #[test]
    fn the_text_repeats_after_a_period() {
        let pattern = Pattern::new(64);
        let period = pattern.period as u64;
        assert_eq!(
            pattern.at(10, LONGEST),
            pattern.at(10 + 3 * period, LONGEST)
        );
        assert_eq!(pattern.at(period - 5, 10)[5..], *pattern.at(0, 5));
    }
}
