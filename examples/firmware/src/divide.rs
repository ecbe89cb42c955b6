//! Division of 64 bits, in place of that of the compiler's library, which takes half a kilobyte of
//! flash to be fast. Here it divides times and counters, few of which have more than 32 bits.

/// Returns the quotient, and the rest. The divisor is not 0: Rust asks before it divides.
pub(crate) fn divide(dividend: u64, divisor: u64) -> (u64, u64) {
    let (mut quotient, mut rest) = (dividend, 0_u64);
    for _ in 0..u64::BITS {
        let is_longer = rest >> 63 != 0;
        rest = rest << 1 | quotient >> 63;
        quotient <<= 1;
        if is_longer || rest >= divisor {
            rest = rest.wrapping_sub(divisor);
            quotient |= 1;
        }
    }
    (quotient, rest)
}

/// The name by which `__aeabi_uldivmod` calls it (compiler-rt's). The linker takes a function of
/// this name rather than the compiler's, which is a weak symbol.
#[cfg(target_os = "none")]
#[allow(unsafe_code)] // For the name.
#[unsafe(no_mangle)]
extern "C" fn __udivmoddi4(dividend: u64, divisor: u64, rest: Option<&mut u64>) -> u64 {
    let (quotient, remainder) = match (u32::try_from(dividend), u32::try_from(divisor)) {
        (Ok(dividend), Ok(divisor)) => {
            let quotient = dividend.checked_div(divisor).unwrap_or(0);
            let rest = dividend.wrapping_sub(quotient.wrapping_mul(divisor));
            (quotient.into(), rest.into())
        }
        _ => divide(dividend, divisor),
    };
    if let Some(rest) = rest {
        *rest = remainder;
    }
    quotient
}
