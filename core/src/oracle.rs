//! A line echo that is too plain to be wrong; the session is compared with it.

use std::vec::Vec;

use crate::LongLines;

/// Returns what goes back to a peer that reads everything, once `input` has arrived in any pieces.
pub(crate) fn echo(input: &[u8], capacity: usize, policy: LongLines, at_end: bool) -> Vec<u8> {
    let mut output = Vec::new();
    for line in input.split_inclusive(|&byte| byte == b'\n') {
        let terminated = line.ends_with(b"\n");
        let too_long = line.len() + usize::from(!terminated) > capacity;
        match policy {
            _ if !too_long && (terminated || at_end) => output.extend_from_slice(line),
            _ if !too_long => {}
            LongLines::Flush if terminated || at_end => output.extend_from_slice(line),
            LongLines::Flush => {
                output.extend(line.chunks_exact(capacity).flatten());
            }
            LongLines::Discard => {}
            LongLines::Close => break,
        }
    }
    output
}

/// Returns the number of lines that are complete (not counting discarded ones), and of those that
/// were too long.
pub(crate) fn count(input: &[u8], capacity: usize, policy: LongLines) -> (u64, u64) {
    let (mut lines, mut overlong) = (0, 0);
    for line in input.split_inclusive(|&byte| byte == b'\n') {
        let terminated = line.ends_with(b"\n");
        let too_long = line.len() + usize::from(!terminated) > capacity;
        overlong += u64::from(too_long);
        lines += u64::from(terminated && (!too_long || policy == LongLines::Flush));
        if too_long && policy == LongLines::Close {
            break;
        }
    }
    (lines, overlong)
}
