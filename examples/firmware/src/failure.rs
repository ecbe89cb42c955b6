//! Every failure ends in a message and a failure code, never in a silent hang.
#![allow(unsafe_code)] // The entry of the fault handler, and the fault's registers.

use core::panic::PanicInfo;

use cortex_m::peripheral::SCB;

use crate::console::Hex;
use crate::{log, processor};

#[panic_handler]
fn panic(info: &PanicInfo) -> ! {
    cortex_m::interrupt::disable();
    #[cfg(feature = "panic-messages")]
    log!("PANIC ", *info);
    #[cfg(not(feature = "panic-messages"))]
    {
        let _ = info;
        log!("PANIC; --features panic-messages says where and why");
    }
    end()
}

#[cfg(feature = "panic-messages")]
impl crate::console::Text for PanicInfo<'_> {
    fn write(&self) {
        use core::fmt::{Result, Write};

        use crate::console::Text;

        struct Console;

        impl Write for Console {
            fn write_str(&mut self, text: &str) -> Result {
                text.write();
                Ok(())
            }
        }
        // The serial line cannot fail.
        let _ = write!(Console, "{self}");
    }
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
        log!(
            "FAULT stack overflow: it grew to ",
            Hex(stack_pointer as u32)
        );
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
        log!(
            "FAULT at ",
            Hex(program_counter),
            ": status ",
            Hex(status),
            ", address ",
            Hex(address)
        );
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
