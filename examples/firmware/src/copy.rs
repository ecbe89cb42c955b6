//! `memcpy` and `memmove` by words, in place of those that come with the compiler. Those take a
//! kilobyte of flash, and nine instructions for a word whose source and destination lie differently
//! within theirs; these take eleven for eight words.
//!
//! A Cortex-M3 loads and stores words at any address of memory (ARMv7-M, A3.2.1), so that one loop
//! serves all alignments. The linker takes a function of this name rather than the compiler's,
//! which is a weak symbol. The loops have names of their own: a call of `memcpy` would be compiled
//! as one of `__aeabi_memcpy`, and that calls them.
#![allow(unsafe_code)] // For copying by address, and for the names that the linker looks for.

const WORD: usize = size_of::<u32>();

/// The bytes that are copied by one turn of the longest loop.
const BLOCK: usize = 8 * WORD;

/// Copies `bytes` bytes from the first to the last.
///
/// # Safety
///
/// All of them can be read at `from` and written at `to`. `to` lies outside of the source, or
/// before `from`.
#[inline(never)]
pub(crate) unsafe fn forwards(mut to: *mut u8, mut from: *const u8, mut bytes: usize) {
    // SAFETY: `bytes` can still be read and written. Of an overlap, what is written lies before all
    // that is still to be read.
    unsafe {
        if bytes >= BLOCK + WORD {
            while !to.addr().is_multiple_of(WORD) {
                *to = *from;
                (to, from, bytes) = (to.add(1), from.add(1), bytes - 1);
            }
            (to, from) = copy_blocks(to, from, bytes / BLOCK);
            bytes %= BLOCK;
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

/// Copies blocks to where a word begins, and returns the addresses behind them. One instruction
/// stores a block; loads may be at any address (ARMv7-M, A3.2.1). Compilers make such a loop a call
/// of `memcpy`.
///
/// # Safety
///
/// As for [`forwards`], with at least one block, and `to` at a word.
#[cfg(target_arch = "arm")]
#[inline(always)]
unsafe fn copy_blocks(mut to: *mut u8, mut from: *const u8, blocks: usize) -> (*mut u8, *const u8) {
    // SAFETY: the caller's. Registers, flags and memory are all that changes.
    unsafe {
        core::arch::asm!(
            "2:",
            "ldr r3, [{from}], #4",
            "ldr r4, [{from}], #4",
            "ldr r5, [{from}], #4",
            "ldr r8, [{from}], #4",
            "ldr r9, [{from}], #4",
            "ldr r10, [{from}], #4",
            "ldr r12, [{from}], #4",
            "ldr lr, [{from}], #4",
            "stmia {to}!, {{r3, r4, r5, r8, r9, r10, r12, lr}}",
            "subs {blocks}, #1",
            "bne 2b",
            to = inout(reg) to,
            from = inout(reg) from,
            blocks = inout(reg) blocks => _,
            out("r3") _, out("r4") _, out("r5") _, out("r8") _,
            out("r9") _, out("r10") _, out("r12") _, out("lr") _,
            options(nostack),
        );
    }
    (to, from)
}

/// Copies blocks, on the machine that tests the rest.
///
/// # Safety
///
/// As for [`forwards`].
#[cfg(not(target_arch = "arm"))]
unsafe fn copy_blocks(to: *mut u8, from: *const u8, blocks: usize) -> (*mut u8, *const u8) {
    let bytes = blocks * BLOCK;
    // SAFETY: the caller's.
    unsafe {
        for word in (0..bytes).step_by(WORD) {
            copy_word(to.add(word), from.add(word));
        }
        (to.add(bytes), from.add(bytes))
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

/// The names of C, and those of Arm's ABI for the same, which return nothing (RTABI, 4.3.4). Some
/// of these promise an alignment, of which the loops make no use.
#[cfg(target_os = "none")]
mod names {
    use super::{backwards, forwards};

    macro_rules! copying {
        ($($name:ident)*) => { $(
            #[unsafe(no_mangle)]
            unsafe extern "C" fn $name(to: *mut u8, from: *const u8, bytes: usize) {
                // SAFETY: the two do not overlap, as C has it.
                unsafe { forwards(to, from, bytes) };
            }
        )* };
    }
    macro_rules! moving {
        ($($name:ident)*) => { $(
            #[unsafe(no_mangle)]
            unsafe extern "C" fn $name(to: *mut u8, from: *const u8, bytes: usize) {
                // SAFETY: the way is the one that the overlap, if any, asks for.
                unsafe {
                    if to.addr() < from.addr() {
                        forwards(to, from, bytes);
                    } else {
                        backwards(to, from, bytes);
                    }
                }
            }
        )* };
    }
    copying!(__aeabi_memcpy __aeabi_memcpy4 __aeabi_memcpy8);
    moving!(__aeabi_memmove __aeabi_memmove4 __aeabi_memmove8);

    #[unsafe(no_mangle)]
    unsafe extern "C" fn memcpy(to: *mut u8, from: *const u8, bytes: usize) -> *mut u8 {
        // SAFETY: the two do not overlap, as C has it.
        unsafe { forwards(to, from, bytes) };
        to
    }

    #[unsafe(no_mangle)]
    unsafe extern "C" fn memmove(to: *mut u8, from: *const u8, bytes: usize) -> *mut u8 {
        // SAFETY: the caller's.
        unsafe { __aeabi_memmove(to, from, bytes) };
        to
    }
}
