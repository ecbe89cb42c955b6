//! Every failure ends in a message and a failure code, never in a silent hang.
//!
//! The message has addresses in place of text: the texts and places of all panics that smoltcp could
//! have would take 5 KiB of flash. `llvm-addr2line -e IMAGE ADDRESS` names the place of an address,
//! and the project's `firmware` tool does so by itself.
#![allow(unsafe_code)] // The entry of the fault handler, and the fault's registers.

use core::panic::PanicInfo;

use cortex_m::peripheral::SCB;

use crate::{log, processor};

#[panic_handler]
fn panic(_: &PanicInfo) -> ! {
    cortex_m::interrupt::disable();
    log!("PANIC");
    end(cortex_m::register::msp::read() as usize)
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
    if stack_pointer < processor::stack().start {
        log!("FAULT stack overflow: it grew to {stack_pointer:#010x}");
    } else {
        // SAFETY: reading these registers has no effects.
        let (status, address) = unsafe {
            let scb = &*SCB::PTR;
            (scb.cfsr.read(), scb.mmfar.read())
        };
        log!("FAULT status {status:#010x}, address {address:#010x}");
    }
    end(stack_pointer)
}

/// Logs where the program was, and ends QEMU with a failure code. Without anybody who could take
/// that code, the board starts again.
fn end(stack_pointer: usize) -> ! {
    /// Enough for the panic's own functions and those that matter.
    const CALLS: usize = 12;
    processor::return_addresses(stack_pointer)
        .take(CALLS)
        .for_each(|address| log!("  at {address:#010x}"));
    #[cfg(feature = "semihosting")]
    {
        use cortex_m_semihosting::debug;
        debug::exit(debug::EXIT_FAILURE);
    }
    SCB::sys_reset()
}
