//! Device registers: the only memory that is reached by address.
#![allow(unsafe_code)]

use core::arch::asm;
use core::ops::Range;

/// Bytes that begin at a word, for a FIFO.
#[repr(align(4))]
pub(super) struct Buffer<const BYTES: usize>(pub(super) [u8; BYTES]);

/// The words that one turn of a loop moves. One instruction loads or stores all of them in memory,
/// which has to begin at a word (ARMv7-M, A3.2.1).
const BLOCK: usize = 8;

/// A block of 32-bit registers.
#[derive(Clone, Copy)]
pub(super) struct Registers(usize);

impl Registers {
    /// The block that begins at `base`.
    ///
    /// # Safety
    ///
    /// `base` is the address of a device of the board, all registers used of it are 32 bits wide,
    /// and none of them can make the device write to memory (no DMA).
    pub(super) const unsafe fn at(base: usize) -> Self {
        Self(base)
    }

    /// Reads the register at `offset` bytes.
    pub(super) fn read(self, offset: usize) -> u32 {
        // SAFETY: a device register, by the contract of `at`. Volatile, since reading has effects.
        unsafe { ((self.0 + offset) as *const u32).read_volatile() }
    }

    /// Writes the register at `offset` bytes.
    pub(super) fn write(self, offset: usize, value: u32) {
        // SAFETY: a device register, by the contract of `at`, which reaches no memory of the
        // program.
        unsafe { ((self.0 + offset) as *mut u32).write_volatile(value) }
    }

    /// Takes words out of a FIFO, whose register is at `offset` bytes, into those of `buffer`.
    #[inline(never)] // In line, the loops would lack registers.
    pub(super) fn take<const BYTES: usize>(
        self,
        offset: usize,
        buffer: &mut Buffer<BYTES>,
        words: Range<usize>,
    ) {
        let (all, _) = buffer.0.as_chunks_mut::<4>();
        let (blocks, rest) = all[words].as_chunks_mut::<BLOCK>();
        let Range { start, end } = blocks.as_mut_ptr_range();
        // SAFETY: a device register, by the contract of `at`, and the words of `blocks`, which
        // begin at a word, as the buffer does.
        unsafe {
            asm!(
                "b 3f",
                "2:",
                "ldr r3, [{fifo}]",
                "ldr r4, [{fifo}]",
                "ldr r5, [{fifo}]",
                "ldr r8, [{fifo}]",
                "ldr r9, [{fifo}]",
                "ldr r10, [{fifo}]",
                "ldr r12, [{fifo}]",
                "ldr lr, [{fifo}]",
                "stmia {to}!, {{r3, r4, r5, r8, r9, r10, r12, lr}}",
                "3:",
                "cmp {to}, {end}",
                "bne 2b",
                fifo = in(reg) self.0 + offset,
                to = inout(reg) start => _,
                end = in(reg) end,
                out("r3") _, out("r4") _, out("r5") _, out("r8") _,
                out("r9") _, out("r10") _, out("r12") _, out("lr") _,
                options(nostack),
            );
        }
        rest.iter_mut()
            .for_each(|word| *word = self.read(offset).to_le_bytes());
    }

    /// Puts the first `words` words of `buffer` into a FIFO, whose register is at `offset` bytes.
    #[inline(never)]
    pub(super) fn put<const BYTES: usize>(
        self,
        offset: usize,
        buffer: &Buffer<BYTES>,
        words: usize,
    ) {
        let (all, _) = buffer.0.as_chunks::<4>();
        let (blocks, rest) = all[..words].as_chunks::<BLOCK>();
        let Range { start, end } = blocks.as_ptr_range();
        // SAFETY: as above.
        unsafe {
            asm!(
                "b 3f",
                "2:",
                "ldmia {from}!, {{r3, r4, r5, r8, r9, r10, r12, lr}}",
                "str r3, [{fifo}]",
                "str r4, [{fifo}]",
                "str r5, [{fifo}]",
                "str r8, [{fifo}]",
                "str r9, [{fifo}]",
                "str r10, [{fifo}]",
                "str r12, [{fifo}]",
                "str lr, [{fifo}]",
                "3:",
                "cmp {from}, {end}",
                "bne 2b",
                fifo = in(reg) self.0 + offset,
                from = inout(reg) start => _,
                end = in(reg) end,
                out("r3") _, out("r4") _, out("r5") _, out("r8") _,
                out("r9") _, out("r10") _, out("r12") _, out("lr") _,
                options(nostack),
            );
        }
        rest.iter()
            .for_each(|word| self.write(offset, u32::from_le_bytes(*word)));
    }
}
