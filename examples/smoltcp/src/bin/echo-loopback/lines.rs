//! The lines that are streamed.

/// A line differs from the next ones by this many bytes in where it begins in the block.
const STEP: u64 = 37;
/// The number of places that a line can begin at. Prime, so that all of them are used.
const PLACES: u64 = 4093;

/// Lines of one length, of all bytes that there are (but for the newline), and different from each
/// other: a byte that is lost, doubled or in the wrong place does not go unnoticed.
#[derive(Debug)]
pub(crate) struct Lines {
    block: Vec<u8>,
    /// The place in the block at which the next line begins.
    place: u64,
    length: usize,
}

impl Lines {
    /// Lines of `length` bytes, the newline included. Another `seed` gives other lines.
    #[must_use]
    pub(crate) fn new(length: usize, seed: u64) -> Self {
        let mut state = seed;
        let random = std::iter::repeat_with(|| {
            // Knuth's linear congruential generator (TAOCP 3.3.4, MMIX): its upper bits will do.
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 56) as u8
        });
        let block = random.filter(|byte| *byte != b'\n');
        Self {
            block: block.take(PLACES as usize + length).collect(),
            place: seed % PLACES,
            length,
        }
    }

    /// The next line, without its newline.
    pub(crate) fn next_line(&mut self) -> &[u8] {
        let start = self.place as usize;
        self.place = (self.place + STEP) % PLACES;
        &self.block[start..start + self.length - 1]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn lines_differ_and_hold_every_byte_but_one() {
        let mut lines = Lines::new(65, 1);
        let seen: HashSet<_> = (0..PLACES).map(|_| lines.next_line().to_vec()).collect();
        assert_eq!(seen.len(), PLACES as usize);
        let bytes: HashSet<_> = seen.iter().flatten().collect();
        assert_eq!(bytes.len(), 255);
        assert!(!bytes.contains(&b'\n'));
    }

    #[test]
    fn the_shortest_line_is_empty() {
        assert_eq!(Lines::new(1, u64::MAX).next_line(), b"");
    }
}
