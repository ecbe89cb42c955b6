//! Finding and counting newlines.

use memchr::{memchr, memrchr};

#[cfg(all(feature = "simd", target_arch = "x86_64"))]
mod avx2;

/// The number of bytes that are counted at once: too few to overflow a byte with their count.
const BLOCK: usize = 192;

/// Returns the number of newlines and the number of bytes behind the last one; `None` if there is
/// none.
#[inline]
pub(crate) fn newlines(bytes: &[u8]) -> Option<(u64, usize)> {
    const FOR_TARGET: fn(&[u8]) -> Option<(u64, usize)> = if cfg!(target_pointer_width = "32") {
        small
    } else {
        fast
    };
    FOR_TARGET(bytes)
}

/// Finds them on controllers, which have short lines, little flash and no vectors: by words.
fn small(bytes: &[u8]) -> Option<(u64, usize)> {
    let (mut count, mut behind) = (0_u32, 0);
    let mut words = bytes.chunks_exact(WORD);
    let tail = words.remainder();
    while let Some(&[a, b, c, d]) = words.next() {
        let marks = newlines_in(u32::from_le_bytes([a, b, c, d]));
        if marks != 0 {
            // The highest byte of the product is the sum of all bytes.
            count = count.wrapping_add((marks >> 7).wrapping_mul(LOWEST) >> 24);
            // By shifts, since not every target has an instruction that counts leading zeros.
            let is_behind = |bytes: &u32| marks >> (32 - 8 * bytes) == 0;
            let in_word = (1..4).take_while(is_behind).count();
            let in_words = words.len().wrapping_mul(WORD);
            behind = in_words.wrapping_add(in_word).wrapping_add(tail.len());
        }
    }
    let mut rest = tail;
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        if *byte == b'\n' {
            count = count.wrapping_add(1);
            behind = rest.len();
        }
    }
    (count > 0).then_some((count.into(), behind))
}

/// The bytes of a word.
const WORD: usize = 4;

/// The lowest bit of each byte of a word, and the highest.
const LOWEST: u32 = 0x0101_0101;
const HIGHEST: u32 = 0x8080_8080;

/// Sets the highest bit of each byte that is a newline, and no other.
const fn newlines_in(word: u32) -> u32 {
    let differences = word ^ (b'\n' as u32 * LOWEST);
    // No byte carries into the next. Its highest bit is set unless all bits of it are zero.
    let others = ((differences & !HIGHEST) + !HIGHEST) | differences;
    !others & HIGHEST
}

/// Finds the last one, mostly without a search, and counts all before it.
#[inline]
fn fast(bytes: &[u8]) -> Option<(u64, usize)> {
    // Mostly it is the last byte of a read, and a look is cheaper than a search.
    let last = match bytes {
        [before @ .., b'\n'] => before.len(),
        _ => memrchr(b'\n', bytes)?,
    };
    let halves = bytes.split_at_checked(last.wrapping_add(1));
    let (bytes, behind) = halves.unwrap_or_default();
    let count = if bytes.len() <= BLOCK {
        in_block(bytes)
    } else {
        in_many(bytes)
    };
    Some((count, behind.len()))
}

#[cfg(all(feature = "simd", target_arch = "x86_64"))]
fn in_many(bytes: &[u8]) -> u64 {
    avx2::count(avx2::level(), bytes)
}

#[cfg(not(all(feature = "simd", target_arch = "x86_64")))]
use in_blocks as in_many;

/// Counts short lines in blocks, and jumps over a line that is longer than a block. The last byte
/// is a newline.
#[inline(never)]
fn in_blocks(mut bytes: &[u8]) -> u64 {
    let mut count = 0;
    while let Some((block, rest)) = bytes.split_first_chunk::<BLOCK>() {
        bytes = rest;
        match in_block(block) {
            // The last byte is a newline, so one follows.
            0 => {
                let newline = memchr(b'\n', rest);
                bytes = newline.and_then(|at| rest.get(at..)).unwrap_or_default();
            }
            n => count += n,
        }
    }
    count + in_block(bytes)
}

/// Counts in a byte, which compilers turn into vector instructions; memchr's own count is made for
/// rare matches.
#[inline(always)] // The wider kernel's own instructions would otherwise be left for it.
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
            for end in (0..text.len()).step_by(499).chain([text.len()]) {
                let bytes = &text.as_bytes()[..end];
                let last = bytes.iter().rposition(|&byte| byte == b'\n');
                let count = bytes.iter().filter(|&&byte| byte == b'\n').count() as u64;
                let plain = last.map(|last| (count, end - last - 1));
                assert_eq!((small(bytes), fast(bytes)), (plain, plain));
                // Also where a wider kernel counts in place of it.
                if let Some(last) = last {
                    assert_eq!(in_blocks(&bytes[..=last]), count);
                }
            }
        }
    }

    #[test]
    fn the_newlines_of_a_word_are_marked() {
        for byte in 0..=u8::MAX {
            for other in [0, 0x09, b'\n', 0x0b, 0x7f, 0x80, 0x8a, 0xff] {
                for place in 0..4 {
                    let mut bytes = [other; 4];
                    bytes[place] = byte;
                    let word = u32::from_le_bytes(bytes);
                    let marks = bytes.map(|byte| if byte == b'\n' { 0x80 } else { 0 });
                    assert_eq!(newlines_in(word), u32::from_le_bytes(marks), "{bytes:?}");
                }
            }
        }
    }
}
