//! Counting newlines with AVX2, for processors that turn out to have it.
//!
//! Loads of 32 bytes are as many as the first-level cache can give, and four sums keep them coming:
//! with one, each addition would wait for the one before.

use core::arch::x86_64::__m256i;
use std::sync::OnceLock;

use fearless_simd::{Avx2, Level, Simd as _, SimdBase as _, SimdInto as _, u8x32};

/// The bytes of a vector.
const VECTOR: usize = 32;
/// The number of sums.
const SUMS: usize = 4;
/// The bytes of a vector for each sum.
const ROW: usize = 128;
const _: () = assert!(ROW == SUMS * VECTOR);
/// The number of bytes after which no byte of a sum can have overflowed.
const PART: usize = ROW * u8::MAX as usize;

/// Returns what the processor has.
pub(super) fn level() -> Level {
    static LEVEL: OnceLock<Level> = OnceLock::new();
    *LEVEL.get_or_init(Level::new)
}

/// Counts with what the processor has. The last byte is a newline.
pub(super) fn count(level: Level, bytes: &[u8]) -> u64 {
    match level {
        Level::Avx2(simd) => simd.vectorize(
            #[inline(always)]
            move || with(simd, bytes),
        ),
        _ => super::in_blocks(bytes),
    }
}

#[inline(always)]
fn with(simd: Avx2, bytes: &[u8]) -> u64 {
    let avx2 = simd.avx2;
    let zero: __m256i = u8x32::splat(simd, 0).into();
    let newline = u8x32::splat(simd, b'\n').into();
    let (mut total, mut rests) = (zero, 0);
    for part in bytes.chunks(PART) {
        let mut sums = [zero; SUMS];
        let mut rest = part;
        while let Some((row, after)) = rest.split_first_chunk::<ROW>() {
            rest = after;
            for (sum, vector) in sums.iter_mut().zip(row.chunks_exact(VECTOR)) {
                let vector = u8x32::from_slice(simd, vector).into();
                // It is -1 in each byte that is equal.
                let found = avx2._mm256_cmpeq_epi8(vector, newline);
                *sum = avx2._mm256_sub_epi8(*sum, found);
            }
        }
        for sum in sums {
            total = avx2._mm256_add_epi64(total, avx2._mm256_sad_epu8(sum, zero));
        }
        rests += super::in_block(rest);
    }
    let totals: u8x32<Avx2> = total.simd_into(simd);
    let words = totals.chunks_exact(size_of::<u64>());
    words.fold(rests, |n, word| {
        n + word.try_into().map_or(0, u64::from_ne_bytes)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_sum_overflows() {
        for length in [1, PART - 1, PART, PART + 1, 2 * PART + VECTOR] {
            let bytes = std::vec![b'\n'; length];
            assert_eq!(count(level(), &bytes), length as u64);
            assert_eq!(count(Level::fallback(), &bytes), length as u64);
        }
    }
}
