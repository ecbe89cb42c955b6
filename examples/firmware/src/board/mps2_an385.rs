//! Arm MPS2 with the AN385 image: a Cortex-M3 in an FPGA, with a LAN9118 Ethernet controller.
//!
//! Sources of all numbers: Arm Application Note AN385, Cortex-M System Design Kit (timer, UART),
//! and the LAN9118 data sheet (Microchip). Run on QEMU's `mps2-an385`, not on the board itself.
#![allow(unsafe_code)] // For the addresses of registers, nothing else.

use linecho_smoltcp::smoltcp::phy::{self, DeviceCapabilities};
use linecho_smoltcp::smoltcp::time::Instant;

use super::register::{Buffer, Registers};
use super::{FRAME_BYTES, RxToken, capabilities};
use crate::processor::unmask;

pub const NAME: &str = "mps2-an385";

/// The clock of the FPGA image.
pub const CLOCK_HZ: u32 = 25_000_000;

/// The number of interrupts.
pub const INTERRUPTS: usize = 32;

const TIMER_IRQ: u16 = 8;
const ETHERNET_IRQ: u16 = 13;

/// Starts serial line and Ethernet. The FPGA image's clocks are always on.
pub fn start() {
    UART.write(UART_BAUD_DIVIDER, CLOCK_HZ / 115_200);
    UART.write(UART_CONTROL, 0b11); // transmit, receive
    start_ethernet();
    unmask(TIMER_IRQ);
    unmask(ETHERNET_IRQ);
}

// --- Serial line --------------------------------------------------------------------------------

// SAFETY: addresses of AN385's memory map (table 3-4); 32-bit registers; no DMA.
const UART: Registers = unsafe { Registers::at(0x4000_4000) };
const UART_DATA: usize = 0x00;
const UART_STATE: usize = 0x04;
const UART_STATE_TX_FULL: u32 = 1 << 0;
#[cfg(feature = "test-commands")]
const UART_STATE_RX_FULL: u32 = 1 << 1;
const UART_CONTROL: usize = 0x08;
const UART_BAUD_DIVIDER: usize = 0x10;

/// Sends one byte, waiting for room.
pub fn write_byte(byte: u8) {
    while UART.read(UART_STATE) & UART_STATE_TX_FULL != 0 {}
    UART.write(UART_DATA, byte.into());
}

/// The next byte that has come, if any.
#[cfg(feature = "test-commands")]
pub fn read_byte() -> Option<u8> {
    (UART.read(UART_STATE) & UART_STATE_RX_FULL != 0).then(|| UART.read(UART_DATA) as u8)
}

// --- Wake-up timer: APB timer 0 -----------------------------------------------------------------

// SAFETY: as above.
const TIMER: Registers = unsafe { Registers::at(0x4000_0000) };
const TIMER_CONTROL: usize = 0x00;
const TIMER_ENABLE: u32 = 1 << 3 | 1 << 0; // with its interrupt
const TIMER_VALUE: usize = 0x04;
const TIMER_RELOAD: usize = 0x08;
const TIMER_CLEAR: usize = 0x0C;

/// Raises the timer's interrupt once, in `micros` microseconds.
pub fn wake_in(micros: u32) {
    let ticks = micros.saturating_mul(CLOCK_HZ / 1_000_000);
    TIMER.write(TIMER_CONTROL, 0);
    TIMER.write(TIMER_RELOAD, ticks);
    TIMER.write(TIMER_VALUE, ticks);
    TIMER.write(TIMER_CONTROL, TIMER_ENABLE);
}

/// Silences the source of an interrupt.
pub fn acknowledge(irq: i16) {
    if irq == TIMER_IRQ as i16 {
        TIMER.write(TIMER_CONTROL, 0); // The timer would start again by itself.
        TIMER.write(TIMER_CLEAR, 1);
    } else {
        ETHERNET.write(INTERRUPT_STATUS, !0);
    }
}

// --- Ethernet: a LAN9118 ------------------------------------------------------------------------

// SAFETY: as above.
const ETHERNET: Registers = unsafe { Registers::at(0x4020_0000) };
const RX_DATA: usize = 0x00;
const TX_DATA: usize = 0x20;
const RX_STATUS: usize = 0x40;
const TX_STATUS: usize = 0x48;
const INTERRUPT_CONFIG: usize = 0x54;
const INTERRUPT_STATUS: usize = 0x58;
const INTERRUPT_ENABLE: usize = 0x5C;
const FIFO_INTERRUPT: usize = 0x68;
const RX_CONFIG: usize = 0x6C;
const TX_CONFIG: usize = 0x70;
const HARDWARE_CONFIG: usize = 0x74;
const RX_FIFO: usize = 0x7C;
const TX_FIFO: usize = 0x80;
const MAC_COMMAND: usize = 0xA4;
const MAC_VALUE: usize = 0xA8;
const FLOW_CONFIG: usize = 0xAC;

/// Registers of the MAC, behind the pair of `MAC_COMMAND` and `MAC_VALUE`.
const MAC_CONTROL: u32 = 1;
const MAC_ADDRESS_HIGH: u32 = 2;
const MAC_ADDRESS_LOW: u32 = 3;

const MAC_BUSY: u32 = 1 << 31;

fn write_mac(register: u32, value: u32) {
    ETHERNET.write(MAC_VALUE, value);
    ETHERNET.write(MAC_COMMAND, MAC_BUSY | register);
    while ETHERNET.read(MAC_COMMAND) & MAC_BUSY != 0 {}
}

fn start_ethernet() {
    let [a, b, c, d, e, f] = crate::config::MAC_ADDRESS.0;
    ETHERNET.write(HARDWARE_CONFIG, 1); // reset
    while ETHERNET.read(HARDWARE_CONFIG) & 1 != 0 {}
    ETHERNET.write(HARDWARE_CONFIG, 0x0015_0000); // 5 KiB to send; whole frames before sending
    ETHERNET.write(FLOW_CONFIG, 0x006E_3740); // the data sheet's values
    ETHERNET.write(INTERRUPT_ENABLE, 0);
    ETHERNET.write(INTERRUPT_STATUS, !0);
    ETHERNET.write(INTERRUPT_CONFIG, 0x111); // active high, push-pull, enabled
    ETHERNET.write(FIFO_INTERRUPT, 0x4800_0000); // from the first received frame on
    ETHERNET.write(RX_CONFIG, 0);
    write_mac(MAC_ADDRESS_LOW, u32::from_le_bytes([a, b, c, d]));
    write_mac(MAC_ADDRESS_HIGH, u32::from_le_bytes([e, f, 0, 0]));
    ETHERNET.write(TX_CONFIG, 1 << 1); // transmitter on
    write_mac(MAC_CONTROL, 1 << 20 | 1 << 3 | 1 << 2); // full duplex, transmit, receive
    ETHERNET.write(INTERRUPT_ENABLE, 1 << 3); // received frames
}

const CHECKSUM_BYTES: usize = 4;
const TX_COMMAND_BYTES: usize = 8;

const RX_BYTES: usize = (FRAME_BYTES + CHECKSUM_BYTES).next_multiple_of(4);
const TX_BYTES: usize = FRAME_BYTES.next_multiple_of(4);

/// The controller, with room for one frame each way: a reply is written while its request is read.
pub struct Ethernet {
    rx: Buffer<RX_BYTES>,
    tx: Buffer<TX_BYTES>,
}

impl Ethernet {
    pub const fn new() -> Self {
        Self {
            rx: Buffer([0; _]),
            tx: Buffer([0; _]),
        }
    }

    /// True if a received frame waits in the controller.
    pub fn frame_waits(&self) -> bool {
        ETHERNET.read(RX_FIFO) & 0x00FF_0000 != 0
    }

    /// Takes a frame out of the FIFO; its length, unless it is broken or longer than Ethernet
    /// allows.
    fn pop_frame(&mut self) -> Option<usize> {
        const ERROR: u32 = 1 << 15;
        let status = ETHERNET.read(RX_STATUS);
        let bytes = (status >> 16) as usize & 0x3FFF; // with its checksum
        let words = bytes.div_ceil(4);
        let fitting = words.min(RX_BYTES / 4);
        ETHERNET.take(RX_DATA, &mut self.rx, 0..fitting);
        for _ in fitting..words {
            ETHERNET.read(RX_DATA);
        }
        bytes
            .checked_sub(CHECKSUM_BYTES)
            .filter(|&frame| frame <= FRAME_BYTES && status & ERROR == 0)
    }
}

/// True if the transmit FIFO has room for a whole frame.
fn can_send() -> bool {
    let fifo = ETHERNET.read(TX_FIFO);
    if fifo & 0x00FF_0000 != 0 {
        ETHERNET.read(TX_STATUS); // What became of an earlier frame; a lost one is TCP's business.
    }
    (fifo & 0xFFFF) as usize >= TX_COMMAND_BYTES + FRAME_BYTES.next_multiple_of(4)
}

impl phy::Device for Ethernet {
    type RxToken<'a> = RxToken<'a>;
    type TxToken<'a> = TxToken<'a>;

    fn receive(&mut self, _: Instant) -> Option<(RxToken<'_>, TxToken<'_>)> {
        while self.frame_waits() && can_send() {
            if let Some(bytes) = self.pop_frame() {
                return Some((RxToken(&self.rx.0[..bytes]), TxToken(&mut self.tx)));
            }
        }
        None
    }

    fn transmit(&mut self, _: Instant) -> Option<TxToken<'_>> {
        can_send().then_some(TxToken(&mut self.tx))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        capabilities()
    }
}

/// Room for a frame to send.
pub struct TxToken<'a>(&'a mut Buffer<TX_BYTES>);

impl phy::TxToken for TxToken<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, bytes: usize, f: F) -> R {
        let result = f(&mut self.0.0[..bytes]);
        ETHERNET.write(TX_DATA, 1 << 13 | 1 << 12 | bytes as u32); // first and last part of a frame
        ETHERNET.write(TX_DATA, bytes as u32);
        ETHERNET.put(TX_DATA, self.0, bytes.div_ceil(4));
        result
    }
}
