//! The firmware's own division of 64 bits, on this machine, against the processor's.

#[path = "../../../examples/firmware/src/divide.rs"]
mod divide;

use linecho_trials::{Stop, Trial, trials};

pub(crate) fn trials() -> Vec<Trial> {
    trials![divisions_are_exact_whatever_the_lengths]
}

/// Numbers of every length in bits: the least, the greatest, and two between them.
fn numbers() -> impl Iterator<Item = u64> {
    (0..u64::BITS).flat_map(|bits| {
        let least = 1 << bits;
        [
            least,
            least | (least / 3),
            least | (least / 7 * 5),
            least | (least - 1),
        ]
    })
}

fn divisions_are_exact_whatever_the_lengths() -> Result<(), Stop> {
    for divisor in numbers() {
        for dividend in numbers().chain([0]) {
            let expected = (dividend / divisor, dividend % divisor);
            assert_eq!(
                divide::divide(dividend, divisor),
                expected,
                "{dividend} / {divisor}"
            );
        }
    }
    Ok(())
}
