//! Deliberate failures, by commands of one byte over the serial line. For tests only.
#![allow(unsafe_code)] // One of the failures is a write to nowhere.

use core::hint::black_box;
use core::time::Duration;

use crate::{board, log, processor};

/// Does what the next byte on the serial line asks for, if there is one.
pub fn obey() {
    match board::read_byte() {
        Some(b'p') => panic!("by command"),
        Some(b'o') => overflow_stack(0),
        Some(b'w') => write_nowhere(),
        Some(b's') => stall(),
        Some(other) => log!("no such command: {other}"),
        None => {}
    }
}

#[expect(unconditional_recursion)]
fn overflow_stack(depth: u32) {
    // What is kept across the call is what fills the stack.
    let kept = black_box([depth; 16]);
    overflow_stack(depth + 1);
    black_box(kept);
}

/// Outside of flash, RAM and devices. Without memory protection, lm3s6965evb ignores it in QEMU.
fn write_nowhere() {
    const NOWHERE: *mut u32 = 0x6000_0000 as *mut u32;
    // SAFETY: no memory is there; the write is meant to fault.
    unsafe { NOWHERE.write_volatile(1) };
}

/// Does nothing for one and a half seconds, as a program does that is busy with something else.
fn stall() {
    log!("STALL");
    let end = processor::now() + Duration::from_millis(1500);
    while processor::now() < end {}
    log!("STALLED");
}
