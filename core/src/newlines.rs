//! Finding and counting newlines.

use memchr::{memchr, memrchr};

/// The number of bytes that are counted at once: too few to overflow a byte with their count.
const BLOCK: usize = 192;

/// Returns the index of the last newline and the number of newlines; `None` if there is none.
pub(crate) fn newlines(bytes: &[u8]) -> Option<(usize, u64)> {
    if cfg!(target_pointer_width = "32") {
        small(bytes)
    } else {
        fast(bytes)
    }
}

/// Does it for controllers, which have short lines and little flash.
fn small(bytes: &[u8]) -> Option<(usize, u64)> {
    let mut found = (0, 0_u32);
    for (at, &byte) in bytes.iter().enumerate() {
        if byte == b'\n' {
            found = (at, found.1.wrapping_add(1));
        }
    }
    (found.1 > 0).then_some((found.0, found.1.into()))
}

/// Counts short lines in blocks, and jumps over a line that is longer than a block.
fn fast(bytes: &[u8]) -> Option<(usize, u64)> {
    // Mostly it is the last byte of a read, and a look is cheaper than a search.
    let last = match bytes {
        [before @ .., b'\n'] => before.len(),
        _ => memrchr(b'\n', bytes)?,
    };
    let mut bytes = bytes.get(..=last)?;
    let mut count = 0;
    while let Some((block, rest)) = bytes.split_first_chunk::<BLOCK>() {
        bytes = rest;
        match in_block(block) {
            0 => match memchr(b'\n', rest) {
                Some(newline) => bytes = rest.get(newline..).unwrap_or_default(),
                None => return Some((last, count)),
            },
            n => count += n,
        }
    }
    Some((last, count + in_block(bytes)))
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
    fn all_are_found_whatever_the_lengths() {
        let lengths = [0, 1, 2, 254, 255, 256, 257, 3000, 1, 191, 192, 193, 4000];
        for first in 0..lengths.len() {
            let lines = lengths.iter().cycle().skip(first).take(40);
            let text: std::string::String = lines
                .map(|&length| std::format!("{:length$}\n", ""))
                .collect();
            for end in (0..text.len()).step_by(97).chain([text.len()]) {
                let bytes = &text.as_bytes()[..end];
                let last = bytes.iter().rposition(|&byte| byte == b'\n');
                let count = bytes.iter().filter(|&&byte| byte == b'\n').count() as u64;
                let plain = last.map(|last| (last, count));
                assert_eq!((small(bytes), fast(bytes)), (plain, plain));
            }
        }
    }
}
