//! A line echo so plain that it is seen to be right; every server is compared with it.

use linecho_core::LongLines;

/// The echo of an input, and the time at which each byte is due.
pub struct Echo {
    /// All that goes back to a peer that reads everything and, if `at_end` was said, shuts down
    /// its sending side.
    pub bytes: Vec<u8>,
    /// The due times: after so many bytes have arrived, so many may have gone back.
    due: Vec<(usize, usize)>,
    /// True if a line was too long for [`LongLines::Close`]: nothing behind it goes back, and the
    /// server closes.
    pub cut: bool,
}

/// The echo of `input` by a session with a buffer of `capacity` bytes; `at_end`: the input ends
/// there.
#[must_use]
pub fn echo(input: &[u8], capacity: usize, policy: LongLines, at_end: bool) -> Echo {
    let mut echo = Echo {
        bytes: Vec::new(),
        due: Vec::new(),
        cut: false,
    };
    let mut arrived = 0;
    for line in input.split_inclusive(|&byte| byte == b'\n') {
        let too_long = line.len() + usize::from(!line.ends_with(b"\n")) > capacity;
        if too_long && policy == LongLines::Close {
            echo.cut = true;
            break;
        }
        for piece in line.chunks(capacity) {
            arrived += piece.len();
            let dropped = too_long && policy == LongLines::Discard;
            let goes = piece.ends_with(b"\n") || piece.len() == capacity || at_end;
            if goes && !dropped {
                echo.bytes.extend_from_slice(piece);
                echo.due.push((arrived, echo.bytes.len()));
            }
        }
    }
    echo
}

impl Echo {
    /// The number of bytes that may have gone back when the first `arrived` bytes of the input have
    /// arrived, and no end.
    #[must_use]
    pub fn due(&self, arrived: usize) -> usize {
        let passed = self.due.partition_point(|&(at, _)| at <= arrived);
        passed.checked_sub(1).map_or(0, |last| self.due[last].1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(input: &[u8], policy: LongLines, at_end: bool) -> Vec<u8> {
        echo(input, 4, policy, at_end).bytes
    }

    #[test]
    fn the_contract_by_example() {
        use LongLines::{Close, Discard, Flush};
        for policy in [Flush, Discard, Close] {
            assert_eq!(bytes(b"a\n\nabc\nab", policy, false), b"a\n\nabc\n");
            assert_eq!(bytes(b"a\n\nabc\nab", policy, true), b"a\n\nabc\nab");
        }
        assert_eq!(bytes(b"a\nabcdefg\nb", Flush, false), b"a\nabcdefg\n");
        assert_eq!(bytes(b"a\nabcdefg", Flush, false), b"a\nabcd");
        assert_eq!(bytes(b"a\nabcdefg\nb\n", Discard, false), b"a\nb\n");
        assert_eq!(bytes(b"a\nabcdefg\nb\n", Close, false), b"a\n");
    }

    #[test]
    fn a_line_is_due_when_its_end_has_arrived() {
        let echo = echo(b"ab\n0123456\n", 4, LongLines::Flush, false);
        let due: Vec<_> = (0..=11).map(|arrived| echo.due(arrived)).collect();
        assert_eq!(due, [0, 0, 0, 3, 3, 3, 3, 7, 7, 7, 7, 11]);
    }
}
