//! Every failure ends in a message and a failure code, never in a silent hang.
#![allow(unsafe_code)] // The entry of the fault handler, and the fault's registers.

use core::panic::PanicInfo;

use cortex_m::peripheral::SCB;

use crate::{log, processor};

#[panic_handler]
fn panic(info: &PanicInfo) -> ! {
    cortex_m::interrupt::disable();
    if cfg!(feature = "panic-messages") {
        log!("PANIC {info}");
    } else {
        log!("PANIC; --features panic-messages makes it say where and why");
    }
    end()
}

/// All faults arrive here. The stack pointer may be below the stack, so that nothing can be called
/// before it is set back to the beginning. Where it was goes to `report` as its argument.
#[unsafe(naked)]
#[unsafe(no_mangle)]
#[allow(non_snake_case)] // The name that cortex-m-rt's vector table refers to.
extern "C" fn HardFault() -> ! {
    core::arch::naked_asm!(
        "mrs r0, msp",
        "ldr r1, =_stack_end",
        "cmp r0, r1",
        "ite hs",
        "ldrhs r2, [r0, #24]", // the program counter, as the processor stacked it (B1.5.6)
        "movlo r2, #0",
        "ldr r1, =_stack_start",
        "msr msp, r1",
        "mov r1, r2",
        "b {report}",
        report = sym report,
    )
}

extern "C" fn report(stack_pointer: usize, program_counter: u32) -> ! {
    if stack_pointer < processor::stack().start {
        log!("FAULT stack overflow: it grew to {stack_pointer:#010x}");
    } else {
        /// The fault was on the bus, and not one of memory protection (B3.2.15).
        const BUS_FAULT_ADDRESS_VALID: u32 = 1 << 15;
        // SAFETY: a processor that has faulted has one thread, and reading has no effects.
        let scb = unsafe { &*SCB::PTR };
        let status = scb.cfsr.read();
        let address = if status & BUS_FAULT_ADDRESS_VALID != 0 {
            scb.bfar.read()
        } else {
            scb.mmfar.read()
        };
        log!("FAULT at {program_counter:#010x}: status {status:#010x}, address {address:#010x}");
    }
    end()
}

/// Ends QEMU with a failure code. Without anybody who could take it, the board starts again.
fn end() -> ! {
    #[cfg(feature = "semihosting")]
    {
        use cortex_m_semihosting::debug;
        debug::exit(debug::EXIT_FAILURE);
    }
    SCB::sys_reset()
}
