//! A line echo that is too plain to be wrong; the session is compared with it.

use crate::LongLines;

/// Returns the pieces that go back to a peer that reads everything, once `input` has arrived in any
/// pieces.
pub(crate) fn echo(
    input: &[u8],
    capacity: usize,
    policy: LongLines,
    at_end: bool,
) -> impl Iterator<Item = &[u8]> {
    let lines = input.split_inclusive(|&byte| byte == b'\n');
    lines
        .take_while(move |line| policy != LongLines::Close || !is_too_long(line, capacity))
        .map(move |line| {
            let complete = line.ends_with(b"\n") || at_end;
            let goes_back = match policy {
                LongLines::Discard if is_too_long(line, capacity) => 0,
                _ if complete => line.len(),
                // A full buffer goes back as it is.
                _ => line.len() / capacity * capacity,
            };
            &line[..goes_back]
        })
}

/// Returns the number of lines that are complete (not counting discarded ones), and of those that
/// were too long.
pub(crate) fn count(input: &[u8], capacity: usize, policy: LongLines) -> (u64, u64) {
    let (mut lines, mut overlong) = (0, 0);
    for line in input.split_inclusive(|&byte| byte == b'\n') {
        let too_long = is_too_long(line, capacity);
        overlong += u64::from(too_long);
        lines += u64::from(line.ends_with(b"\n") && (!too_long || policy == LongLines::Flush));
        if too_long && policy == LongLines::Close {
            break;
        }
    }
    (lines, overlong)
}

/// A line does not fit if its `\n` does not, even if that is still to come.
fn is_too_long(line: &[u8], capacity: usize) -> bool {
    line.len() + usize::from(!line.ends_with(b"\n")) > capacity
}
