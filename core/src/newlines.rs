//! Counting lines.

use memchr::memchr;

/// How many bytes are counted at once: too few to overflow a byte with their count.
const BLOCK: usize = 192;

/// How many newlines there are. Short lines are counted in blocks, and a line that is longer than a
/// block is jumped over.
pub(crate) fn newlines(mut bytes: &[u8]) -> u64 {
    // A controller has short lines and little flash.
    if cfg!(target_pointer_width = "32") {
        return bytes
            .chunks(BLOCK)
            .fold(0, |n, block| n.wrapping_add(in_block(block)));
    }
    let mut count = 0;
    while let Some((block, rest)) = bytes.split_first_chunk::<BLOCK>() {
        bytes = rest;
        match in_block(block) {
            0 => match memchr(b'\n', rest) {
                Some(newline) => bytes = rest.get(newline..).unwrap_or_default(),
                None => return count,
            },
            n => count += n,
        }
    }
    count + in_block(bytes)
}

/// Counts in a byte, which compilers turn into vector instructions; memchr's own count is made for
/// rare matches.
fn in_block(block: &[u8]) -> u64 {
    u64::from(
        block
            .iter()
            .fold(0u8, |n, &byte| n.wrapping_add(u8::from(byte == b'\n'))),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_are_counted_whatever_the_lengths() {
        let lengths = [0, 1, 2, 254, 255, 256, 257, 3000, 1, 191, 192, 193, 4000];
        for first in 0..lengths.len() {
            let lines = lengths.iter().cycle().skip(first).take(40);
            let text: std::string::String = lines
                .map(|&length| std::format!("{:length$}\n", ""))
                .collect();
            for end in (0..text.len()).step_by(97).chain([text.len()]) {
                let bytes = &text.as_bytes()[..end];
                let plain = bytes.iter().filter(|&&byte| byte == b'\n').count() as u64;
                assert_eq!(newlines(bytes), plain);
            }
        }
    }
}
