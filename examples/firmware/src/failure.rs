//! Every failure ends in a message and a failure code, never in a silent hang.
#![allow(unsafe_code)] // The entry of the fault handler, and the frame that the processor stacked.

use core::panic::PanicInfo;

use cortex_m::peripheral::SCB;

use crate::{log, processor};

#[panic_handler]
fn panic(info: &PanicInfo) -> ! {
    cortex_m::interrupt::disable();
    log!("PANIC {info}");
    end()
}

/// All faults arrive here. The stack pointer may be below the stack, so that nothing can be called
/// before it is set back; where it was goes to `report` as its argument.
#[unsafe(naked)]
#[unsafe(no_mangle)]
#[allow(non_snake_case)] // The name that cortex-m-rt's vector table refers to.
extern "C" fn HardFault() -> ! {
    core::arch::naked_asm!(
        "mrs r0, msp",
        "ldr r1, =_stack_start",
        "msr msp, r1",
        "b {report}",
        report = sym report,
    )
}

extern "C" fn report(stack_pointer: usize) -> ! {
    /// The place of the program counter in what the processor stacks on entry (B1.5.6).
    const FRAME_PC: usize = 24;

    if stack_pointer < processor::stack_end() {
        log!("FAULT stack overflow: it grew to {stack_pointer:#010x}");
        end()
    }
    // SAFETY: the stack pointer is in the stack, with the frame that the processor has just stacked above it.
    let pc = unsafe { ((stack_pointer + FRAME_PC) as *const u32).read_volatile() };
    // SAFETY: reading these registers has no effects.
    let (status, address) = unsafe {
        let scb = &*SCB::PTR;
        (scb.cfsr.read(), scb.mmfar.read())
    };
    log!("FAULT at {pc:#010x}: status {status:#010x}, address {address:#010x}");
    end()
}

/// Ends QEMU with a failure code.
#[cfg(feature = "semihosting")]
fn end() -> ! {
    use cortex_m_semihosting::debug;
    debug::exit(debug::EXIT_FAILURE);
    // A debugger may refuse to exit.
    SCB::sys_reset()
}

/// Without anybody who could take a failure code, the board starts again.
#[cfg(not(feature = "semihosting"))]
fn end() -> ! {
    SCB::sys_reset()
}
