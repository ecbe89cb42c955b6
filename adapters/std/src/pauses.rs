//! The pauses between attempts that fail.

use std::time::Duration;

/// Pauses in a row, each twice as long as the one before.
#[derive(Debug, Default)]
pub(crate) struct Pauses {
    count: u8,
}

const SHORTEST: Duration = Duration::from_millis(10);
const LONGEST: Duration = Duration::from_millis(100);

impl Pauses {
    /// Returns the next one.
    pub(crate) fn next(&mut self) -> Duration {
        let pause = SHORTEST * (1 << self.count.min(4));
        self.count = self.count.saturating_add(1);
        pause.min(LONGEST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_are_longer_and_longer() {
        let mut pauses = Pauses::default();
        let all: Vec<_> = (0..300).map(|_| pauses.next().as_millis()).collect();
        assert_eq!(all[..6], [10, 20, 40, 80, 100, 100]);
        assert_eq!(all[299], 100);
    }
}
