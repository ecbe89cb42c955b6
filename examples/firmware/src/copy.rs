//! `memcpy` and `memmove` by words, in place of those that come with the compiler. Those take a
//! kilobyte of flash, and nine instructions for a word whose source and destination lie differently
//! within theirs.
//!
//! A Cortex-M3 loads and stores words at any address of memory (ARMv7-M, A3.2.1), so that one loop
//! serves all alignments. The linker takes a function of this name rather than the compiler's,
//! which is a weak symbol. The loops have names of their own: a call of `memcpy` would be compiled
//! as one of `__aeabi_memcpy`, and that calls them.
#![allow(unsafe_code)] // For copying by address, and for the names that the linker looks for.

const WORD: usize = size_of::<u32>();

/// Copies `bytes` bytes from the first to the last.
///
/// # Safety
///
/// All of them can be read at `from` and written at `to`. `to` lies outside of the source, or
/// before `from`.
#[inline(never)]
pub(crate) unsafe fn forwards(mut to: *mut u8, mut from: *const u8, mut bytes: usize) {
    /// Words for each turn of the loop.
    const BLOCK: usize = 4 * WORD;
    // SAFETY: `bytes` can still be read and written. Of an overlap, what is written lies before all
    // that is still to be read.
    unsafe {
        while bytes >= BLOCK {
            copy_word(to, from);
            copy_word(to.add(WORD), from.add(WORD));
            copy_word(to.add(2 * WORD), from.add(2 * WORD));
            copy_word(to.add(3 * WORD), from.add(3 * WORD));
            (to, from, bytes) = (to.add(BLOCK), from.add(BLOCK), bytes - BLOCK);
        }
        while bytes >= WORD {
            copy_word(to, from);
            (to, from, bytes) = (to.add(WORD), from.add(WORD), bytes - WORD);
        }
        while bytes > 0 {
            *to = *from;
            (to, from, bytes) = (to.add(1), from.add(1), bytes - 1);
        }
    }
}

/// Copies `bytes` bytes from the last to the first.
///
/// # Safety
///
/// All of them can be read at `from` and written at `to`. `to` lies outside of the source, or
/// behind `from`.
#[inline(never)]
pub(crate) unsafe fn backwards(to: *mut u8, from: *const u8, mut bytes: usize) {
    // SAFETY: `bytes` can still be read and written. Of an overlap, what is written lies behind all
    // that is still to be read.
    unsafe {
        while bytes >= WORD {
            bytes -= WORD;
            copy_word(to.add(bytes), from.add(bytes));
        }
        while bytes > 0 {
            bytes -= 1;
            *to.add(bytes) = *from.add(bytes);
        }
    }
}

/// Copies a word.
///
/// # Safety
///
/// It can be read at `from` and written at `to`, whatever their alignments.
#[inline(always)]
unsafe fn copy_word(to: *mut u8, from: *const u8) {
    // SAFETY: the caller's.
    unsafe {
        to.cast::<u32>()
            .write_unaligned(from.cast::<u32>().read_unaligned());
    };
}

/// The names of C, and those of Arm's ABI for the same (RTABI, 4.3.4). Some of these promise an
/// alignment, of which the loops make no use.
#[cfg(target_os = "none")]
mod names {
    use super::{backwards, forwards};

    macro_rules! copying {
        ($($name:ident)*) => { $(
            #[unsafe(no_mangle)]
            unsafe extern "C" fn $name(to: *mut u8, from: *const u8, bytes: usize) -> *mut u8 {
                // SAFETY: the two do not overlap, as C has it.
                unsafe { forwards(to, from, bytes) };
                to
            }
        )* };
    }
    macro_rules! moving {
        ($($name:ident)*) => { $(
            #[unsafe(no_mangle)]
            unsafe extern "C" fn $name(to: *mut u8, from: *const u8, bytes: usize) -> *mut u8 {
                // SAFETY: the way is the one that the overlap, if any, asks for.
                unsafe {
                    if to.addr() < from.addr() {
                        forwards(to, from, bytes);
                    } else {
                        backwards(to, from, bytes);
                    }
                }
                to
            }
        )* };
    }
    copying!(memcpy __aeabi_memcpy __aeabi_memcpy4 __aeabi_memcpy8);
    moving!(memmove __aeabi_memmove __aeabi_memmove4 __aeabi_memmove8);
}
