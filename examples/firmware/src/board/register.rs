//! Device registers: the only memory that is reached by address.
#![allow(unsafe_code)]

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
}
