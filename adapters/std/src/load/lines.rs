//! Lines that show where they belong: the connection and the number are in them.

/// Makes the lines of one connection, one at a time.
#[derive(Debug)]
pub(super) struct Lines {
    line: Vec<u8>,
    /// The position of the number.
    number: std::ops::Range<usize>,
}

const DIGITS: usize = 12;

impl Lines {
    pub(super) fn new(connection: usize, size: usize) -> Self {
        let head = format!("{connection} ");
        let mut line = head.clone().into_bytes();
        line.extend([b'0'; DIGITS]);
        line.push(b' ');
        line.extend((b'a'..=b'z').cycle().take(size.saturating_sub(line.len())));
        // A short line has what there is room for.
        line.truncate(size - 1);
        line.push(b'\n');
        let end = head.len() + DIGITS;
        let number = match end < size {
            true => head.len()..end,
            false => 0..0,
        };
        Self { line, number }
    }

    /// Returns the next line.
    pub(super) fn next(&mut self) -> &[u8] {
        for digit in self.line[self.number.clone()].iter_mut().rev() {
            if *digit < b'9' {
                *digit += 1;
                break;
            }
            *digit = b'0';
        }
        &self.line
    }

    /// Returns the line so many before the last one again.
    pub(super) fn before(&self, count: usize) -> Vec<u8> {
        let mut line = self.line.clone();
        let digits = &mut line[self.number.clone()];
        let last: u64 = str::from_utf8(digits).map_or(0, |it| it.parse().unwrap_or(0));
        let number = last.saturating_sub(count as u64);
        let width = digits.len();
        digits.copy_from_slice(&format!("{number:0width$}").as_bytes()[..width]);
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_numbered_if_there_is_room() {
        let mut lines = Lines::new(7, 32);
        for number in 1..=11 {
            let line = String::from_utf8(lines.next().to_vec()).unwrap();
            assert_eq!(line.len(), 32);
            assert!(line.starts_with(&format!("7 {number:012} ")), "{line}");
            assert_eq!(line.find('\n'), Some(31));
            let first = String::from_utf8(lines.before(number - 1)).unwrap();
            assert!(first.starts_with("7 000000000001 a"), "{first}");
        }
        for size in [1, 2, 14, 15, 16] {
            let line = Lines::new(123, size).next().to_vec();
            assert_eq!((line.len(), line.last()), (size, Some(&b'\n')));
            let mut lines = Lines::new(123, size);
            let line = lines.next().to_vec();
            assert_eq!(lines.before(0), line);
        }
    }
}
