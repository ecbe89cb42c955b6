//! The commands of tests over the serial line: a session's options, and deliberate failures.
//!
//! For tests only. A command waits until something else wakes the processor, half a second at most.
#![allow(unsafe_code)] // One of the failures is a write to nowhere.

use core::hint::black_box;
use core::time::Duration;

use heapless::String;
use linecho_smoltcp::{Config, Listener, LongLines, Wake};

use crate::{board, log, processor};

/// Asks for a line `POLICY IDLE_MS WRITE_MS`: how sessions treat long lines, and their timeouts in
/// milliseconds, 0 for none.
pub fn session(config: Config) -> Config {
    // What is sent before may be lost while the serial line is set up.
    log!("SESSION?");
    let mut line = String::<64>::new();
    loop {
        match board::read_byte() {
            Some(b'\n') => break,
            // What does not fit is no such line, and fails below.
            Some(byte) => drop(line.push(byte.into())),
            // Soon after its start, QEMU hands over the next byte when a timer wakes it. Without
            // one, this loop would spin for half a second.
            None => {
                let soon = processor::now() + Duration::from_millis(1);
                processor::sleep(Wake::At(soon), || false);
            }
        }
    }
    let mut words = line.split(' ');
    let policy = match words.next() {
        Some("flush") => LongLines::Flush,
        Some("discard") => LongLines::Discard,
        Some("close") => LongLines::Close,
        _ => panic!("no such policy"),
    };
    let mut timeout = || match words.next().map(str::parse) {
        Some(Ok(0)) => None,
        Some(Ok(millis)) => Some(Duration::from_millis(millis)),
        _ => panic!("no timeout"),
    };
    config
        .long_lines(policy)
        .idle_timeout(timeout())
        .write_timeout(timeout())
}

/// Does what the next byte on the serial line asks for, if there is one.
pub fn obey<const SLOTS: usize>(listener: &mut Listener<SLOTS>) {
    match board::read_byte() {
        Some(b'p') => panic!("by command"),
        Some(b'o') => overflow_stack(0),
        Some(b'w') => write_nowhere(),
        Some(b's') => stall(),
        Some(b'q') => listener.shutdown(),
        Some(b'c') => copy(),
        Some(other) => log!("no such command: ", other),
        None => {}
    }
    if listener.is_drained() {
        use cortex_m_semihosting::debug;
        log!("DRAINED");
        debug::exit(debug::EXIT_SUCCESS);
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

/// Does nothing for one and a half seconds, as a program does that is busy with something else. The
/// clock must not go back meanwhile.
fn stall() {
    log!("STALL");
    let mut now = processor::now();
    let end = now + Duration::from_millis(1500);
    while now < end {
        let next = processor::now();
        assert!(next >= now, "the clock went back from {now:?} to {next:?}");
        now = next;
    }
    log!("STALLED");
}

/// Copies every length between every two alignments: `copy.rs` has loops for this processor alone,
/// which the tests on other machines do not run.
fn copy() {
    const LONGEST: usize = 80;
    const UNTOUCHED: u8 = 0xFF;
    let source: [u8; LONGEST + 4] = core::array::from_fn(|place| place as u8);
    for (from, to) in (0..16).map(|pair| (pair / 4, pair % 4)) {
        for length in 0..=LONGEST {
            let mut room = [UNTOUCHED; LONGEST + 8];
            let bytes = black_box(&source[from..from + length]);
            black_box(&mut room[to..to + length]).copy_from_slice(bytes);
            for (place, byte) in room.into_iter().enumerate() {
                let copied = (to..to + length).contains(&place);
                let expected = if copied {
                    source[place - to + from]
                } else {
                    UNTOUCHED
                };
                assert!(
                    byte == expected,
                    "{length} bytes from {from} to {to}: {byte} at {place}"
                );
            }
        }
    }
    log!("COPIED");
}
