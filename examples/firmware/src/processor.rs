//! The parts that every Cortex-M3 has: its clock, its sleep, its memory protection, its stack.
//!
//! Source: ARMv7-M Architecture Reference Manual (Arm DDI 0403), part B.
#![allow(unsafe_code)] // For the processor's registers and for reading the painted stack.

use core::ops::Range;
use core::sync::atomic::{AtomicU32, Ordering::Relaxed};

use cortex_m::interrupt::{self, InterruptNumber};
use cortex_m::peripheral::syst::SystClkSource;
use cortex_m::peripheral::{MPU, NVIC, SCB, SYST};
use cortex_m_rt::exception;
use linecho_smoltcp::{Instant, Wake};

use crate::board;

/// Starts the clock and the memory protection.
pub fn start() {
    // A second caller would find `None`: there is one, `main`.
    if let Some(mut processor) = cortex_m::Peripherals::take() {
        protect_memory(&mut processor.MPU);
        start_clock(&mut processor.SYST);
    }
}

// --- Interrupts ---------------------------------------------------------------------------------

#[derive(Clone, Copy)]
struct Irq(u16);

// SAFETY: the numbers are those of the board file; `unmask` is the only user.
unsafe impl InterruptNumber for Irq {
    fn number(self) -> u16 {
        self.0
    }
}

/// Lets a device's interrupt through.
pub fn unmask(irq: u16) {
    // SAFETY: no critical section relies on this mask; `DefaultHandler` serves every interrupt.
    unsafe { NVIC::unmask(Irq(irq)) };
}

// SAFETY: the handler touches device registers and atomics only.
#[exception]
unsafe fn DefaultHandler(irq: i16) {
    board::acknowledge(irq);
}

mod vectors {
    unsafe extern "C" {
        fn DefaultHandler();
    }

    /// The vector table's part for devices: the same handler for all of them.
    #[unsafe(link_section = ".vector_table.interrupts")]
    #[unsafe(no_mangle)]
    static __INTERRUPTS: [unsafe extern "C" fn(); crate::board::INTERRUPTS] = [DefaultHandler; _];
}

// --- Clock: SysTick runs freely, its interrupt counts the periods -------------------------------

/// Half a second. A short period counted by interrupts would lose time whenever they come late.
const PERIOD_TICKS: u32 = board::CLOCK_HZ / 2;
const PERIOD_MICROS: u64 = 500_000;
const _: () = assert!(PERIOD_TICKS <= 1 << 24, "SysTick has 24 bits");
const _: () = assert!(
    board::CLOCK_HZ.is_multiple_of(500_000),
    "two microseconds are whole ticks"
);

static PERIODS: AtomicU32 = AtomicU32::new(0);

fn start_clock(systick: &mut SYST) {
    systick.set_clock_source(SystClkSource::Core);
    systick.set_reload(PERIOD_TICKS - 1);
    systick.clear_current();
    systick.enable_interrupt();
    systick.enable_counter();
}

#[exception]
fn SysTick() {
    PERIODS.store(PERIODS.load(Relaxed).wrapping_add(1), Relaxed);
}

/// The time since the start.
pub fn now() -> Instant {
    let (periods, ticks_left) = interrupt::free(|_| {
        let before = SYST::get_current();
        if SCB::is_pendst_pending() {
            // The period ended, and its interrupt has not been counted yet.
            (PERIODS.load(Relaxed).wrapping_add(1), SYST::get_current())
        } else {
            (PERIODS.load(Relaxed), before)
        }
    });
    // The counter shows zero when a period begins, and then counts down from `PERIOD_TICKS - 1`.
    let ticks = if ticks_left == 0 {
        0
    } else {
        PERIOD_TICKS - ticks_left
    };
    let micros = 2 * ticks / (board::CLOCK_HZ / 500_000);
    Instant::from_micros(u64::from(periods) * PERIOD_MICROS + u64::from(micros))
}

// --- Sleep --------------------------------------------------------------------------------------

/// Sleeps until it is time to `wake`, or any interrupt comes; not at all if `busy`.
///
/// Interrupts are masked from the question to the sleep, so that none slips in between: a masked
/// interrupt that is pending still ends `WFI` (ARMv7-M, B1.5.19).
pub fn sleep(wake: Wake, busy: impl FnOnce() -> bool) {
    let micros = match wake {
        Wake::Again => return,
        Wake::At(at) => at.as_micros().saturating_sub(now().as_micros()),
        Wake::Frame => u64::MAX,
    };
    interrupt::free(|_| {
        if micros > 0 && !busy() {
            board::wake_in(u32::try_from(micros).unwrap_or(u32::MAX));
            cortex_m::asm::dsb();
            cortex_m::asm::wfi();
        }
    });
}

// --- Memory protection --------------------------------------------------------------------------

/// Flash may be read and executed, RAM and devices read and written; anything else faults.
///
/// That is what stops a stack that grows out of the bottom of RAM, a write through a null pointer
/// and an access to where nothing is, on boards as well that would ignore such an access.
fn protect_memory(mpu: &mut MPU) {
    const READ_ONLY: u32 = 0b110 << 24;
    const READ_WRITE: u32 = 0b011 << 24;
    const NO_EXECUTE: u32 = 1 << 28;
    const MEMORY: u32 = 1 << 17; // normal, cacheable
    const DEVICE: u32 = 1 << 16;
    const SIZE_256_MIB: u32 = 27 << 1;
    const SIZE_512_MIB: u32 = 28 << 1;
    const ENABLE: u32 = 1;

    let regions = [
        (0x0000_0000, READ_ONLY | MEMORY | SIZE_256_MIB | ENABLE),
        (
            0x2000_0000,
            NO_EXECUTE | READ_WRITE | MEMORY | SIZE_512_MIB | ENABLE,
        ),
        (
            0x4000_0000,
            NO_EXECUTE | READ_WRITE | DEVICE | SIZE_512_MIB | ENABLE,
        ),
    ];
    for (number, (base, attributes)) in (0..).zip(regions) {
        // SAFETY: the regions allow all that the program uses (memory.x, the board's registers).
        unsafe {
            mpu.rnr.write(number);
            mpu.rbar.write(base);
            mpu.rasr.write(attributes);
        }
    }
    // SAFETY: as above. Off in fault handlers, which must always be able to report.
    unsafe { mpu.ctrl.write(ENABLE) };
    cortex_m::asm::dsb();
    cortex_m::asm::isb();
}

// --- Stack --------------------------------------------------------------------------------------

unsafe extern "C" {
    // Symbols of memory.x, whose addresses are their values.
    static _stack_end: u32;
    static _stack_start: u32;
}

/// The addresses of the stack. It grows from the end of this range towards its start.
pub fn stack() -> Range<usize> {
    (&raw const _stack_end).addr()..(&raw const _stack_start).addr()
}

/// The most that has been used of the stack since the start, in bytes: cortex-m-rt painted it.
pub fn stack_used() -> usize {
    let is_painted = |&address: &usize| {
        // SAFETY: the address lies in the stack, which is RAM.
        let word = unsafe { (address as *const u32).read_volatile() };
        word == cortex_m_rt::STACK_PAINT_VALUE
    };
    stack().step_by(4).skip_while(is_painted).count() * 4
}
