//! The firmware's own `memcpy` and `memmove`, on this machine: every length and alignment, with and
//! without overlap, against the standard library's. A board tests the loop that only it has.

#[path = "../../../examples/firmware/src/copy.rs"]
mod copy;

use linecho_trials::{Stop, Trial, trials};

pub(crate) fn trials() -> Vec<Trial> {
    trials![copies_are_exact_whatever_lengths_alignments_and_overlaps]
}

/// More than two turns of the longest loop, and all that may be left after it.
const LONGEST: usize = 80;

fn copies_are_exact_whatever_lengths_alignments_and_overlaps() -> Result<(), Stop> {
    let before: Vec<u8> = (0..2 * LONGEST as u8).collect();
    for length in 0..=LONGEST {
        for from in 0..before.len() - length {
            for to in 0..before.len() - length {
                let mut expected = before.clone();
                expected.copy_within(from..from + length, to);
                if to <= from || from + length <= to {
                    check(copy::forwards, &before, (to, from, length), &expected);
                }
                if to >= from || to + length <= from {
                    check(copy::backwards, &before, (to, from, length), &expected);
                }
            }
        }
    }
    Ok(())
}

type Copy = unsafe fn(*mut u8, *const u8, usize);

fn check(copy: Copy, before: &[u8], (to, from, length): (usize, usize, usize), expected: &[u8]) {
    let mut bytes = before.to_vec();
    let start = bytes.as_mut_ptr();
    // SAFETY: both ranges lie in `bytes`, and the caller has chosen the function by their overlap.
    #[expect(unsafe_code, reason = "the functions copy by address")]
    unsafe {
        copy(start.add(to), start.add(from), length);
    }
    assert_eq!(bytes, expected, "{length} bytes from {from} to {to}");
}
