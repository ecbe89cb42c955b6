//! The board: one file each, chosen by a cargo feature. A port to other hardware adds one such file
//! and its memory map (`memory.x`).

use linecho_smoltcp::smoltcp::phy::{self, DeviceCapabilities, Medium};

mod register;

#[cfg_attr(feature = "mps2-an385", path = "mps2_an385.rs")]
#[cfg_attr(not(feature = "mps2-an385"), path = "lm3s6965evb.rs")]
mod chosen;

/// The parts of a board file:
///
/// - `NAME`: for the log.
/// - `CLOCK_HZ`: the processor's clock, which drives `SysTick`. Half a second of it fits in 24
///   bits.
/// - `INTERRUPTS`: how many the board has.
/// - `start()`: starts clocks, serial line and Ethernet, and unmasks their interrupts.
/// - `write_byte(byte)`: sends one byte on the serial line, waiting for room. A fault handler
///   calls it too.
/// - `read_byte()`: the next byte that came on the serial line, if any. Only the tests'
///   commands ask.
/// - `wake_in(micros)`: a timer raises an interrupt once, which ends `WFI`.
/// - `acknowledge(irq)`: called in the interrupt handler; silences the source of the
///   interrupt.
/// - `Ethernet`: the controller as smoltcp's `phy::Device`. Its `new()` is const and all zero,
///   so that its frame buffers lie in .bss; `frame_waits()` tells whether there is a reason
///   not to sleep.
pub use chosen::*;

#[cfg(not(any(feature = "lm3s6965evb", feature = "mps2-an385")))]
compile_error!("choose a board: --features lm3s6965evb or --features mps2-an385");
#[cfg(all(feature = "lm3s6965evb", feature = "mps2-an385"))]
compile_error!("choose one board: --no-default-features --features mps2-an385");

/// The largest Ethernet frame without its checksum: 14 bytes of header, 1,500 of payload.
const FRAME_BYTES: usize = 1514;

/// The abilities of both controllers: whole frames, one at a time, all checksums but Ethernet's in
/// software.
fn capabilities() -> DeviceCapabilities {
    let mut capabilities = DeviceCapabilities::default();
    capabilities.medium = Medium::Ethernet;
    capabilities.max_transmission_unit = FRAME_BYTES;
    capabilities.max_burst_size = Some(1);
    capabilities
}

/// A received frame, in the driver's buffer.
pub struct RxToken<'a>(&'a [u8]);

impl phy::RxToken for RxToken<'_> {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(self.0)
    }
}
