//! Stellaris LM3S6965 evaluation board: 256 KiB of flash, 64 KiB of RAM, Ethernet on the chip.
//!
//! Source of all numbers: LM3S6965 Microcontroller Data Sheet (Texas Instruments). Run on QEMU's
//! `lm3s6965evb`; most steps that only silicon needs are here, but have not been run on silicon.
#![allow(unsafe_code)] // For the addresses of registers, nothing else.

use core::sync::atomic::{AtomicBool, Ordering::Relaxed};

use linecho_smoltcp::smoltcp::phy::{self, DeviceCapabilities};
use linecho_smoltcp::smoltcp::time::Instant;

use super::register::{Buffer, Registers};
use super::{FRAME_BYTES, RxToken, capabilities};
use crate::processor::unmask;

pub const NAME: &str = "lm3s6965evb";

/// The clock after reset in QEMU. On silicon that is the internal oscillator, about 12 MHz and not
/// exact enough for a serial line: `start` would turn on crystal and PLL there.
pub const CLOCK_HZ: u32 = 12_500_000;

/// The number of interrupts.
pub const INTERRUPTS: usize = 44;

const TIMER_IRQ: u16 = 19;
const ETHERNET_IRQ: u16 = 42;

// SAFETY: addresses of the data sheet's memory map (chapter 2); 32-bit registers; no DMA is
// started.
const SYSTEM: Registers = unsafe { Registers::at(0x400F_E000) };
const SYSTEM_RCGC1: usize = 0x104;
const SYSTEM_RCGC2: usize = 0x108;
// SAFETY: as above.
const GPIO_A: Registers = unsafe { Registers::at(0x4000_4000) };
const GPIO_AFSEL: usize = 0x420;
const GPIO_DEN: usize = 0x51C;

/// Starts clocks, serial line and Ethernet.
pub fn start() {
    set(SYSTEM, SYSTEM_RCGC1, 1 << 16 | 1 << 0); // timer 0, UART 0
    set(SYSTEM, SYSTEM_RCGC2, 1 << 30 | 1 << 28 | 1 << 0); // PHY, MAC, port A
    SYSTEM.read(SYSTEM_RCGC2); // A clock takes a few cycles to arrive.
    set(GPIO_A, GPIO_AFSEL, 0b11); // Pins 0 and 1 belong to the UART.
    set(GPIO_A, GPIO_DEN, 0b11);
    start_uart();
    start_ethernet();
    unmask(TIMER_IRQ);
    unmask(ETHERNET_IRQ);
}

fn set(block: Registers, offset: usize, bits: u32) {
    block.write(offset, block.read(offset) | bits);
}

// --- Serial line: a PL011 -----------------------------------------------------------------------

// SAFETY: as above.
const UART: Registers = unsafe { Registers::at(0x4000_C000) };
const UART_DATA: usize = 0x00;
const UART_FLAGS: usize = 0x18;
#[cfg(feature = "test-commands")]
const UART_FLAGS_RX_EMPTY: u32 = 1 << 4;
const UART_FLAGS_TX_FULL: u32 = 1 << 5;
const UART_IBRD: usize = 0x24;
const UART_FBRD: usize = 0x28;
const UART_LCRH: usize = 0x2C;
const UART_CTL: usize = 0x30;

fn start_uart() {
    // 115,200 baud: 12.5 MHz / (16 × 115,200) = 6 + 50/64.
    UART.write(UART_IBRD, 6);
    UART.write(UART_FBRD, 50);
    UART.write(UART_LCRH, 0x70); // 8 bits, no parity, FIFOs on
    UART.write(UART_CTL, 0x301); // enable, transmit, receive
}

/// Sends one byte, waiting for room.
pub fn write_byte(byte: u8) {
    while UART.read(UART_FLAGS) & UART_FLAGS_TX_FULL != 0 {}
    UART.write(UART_DATA, byte.into());
}

/// The next byte that has come, if any.
#[cfg(feature = "test-commands")]
pub fn read_byte() -> Option<u8> {
    (UART.read(UART_FLAGS) & UART_FLAGS_RX_EMPTY == 0).then(|| UART.read(UART_DATA) as u8)
}

// --- Wake-up timer: general-purpose timer 0 as a 32-bit one-shot --------------------------------

// SAFETY: as above.
const TIMER: Registers = unsafe { Registers::at(0x4003_0000) };
const TIMER_CFG: usize = 0x00;
const TIMER_TAMR: usize = 0x04;
const TIMER_CTL: usize = 0x0C;
const TIMER_IMR: usize = 0x18;
const TIMER_ICR: usize = 0x24;
const TIMER_TAILR: usize = 0x28;

/// Raises the timer's interrupt once, in `micros` microseconds.
pub fn wake_in(micros: u32) {
    TIMER.write(TIMER_CTL, 0);
    TIMER.write(TIMER_CFG, 0); // 32 bits
    TIMER.write(TIMER_TAMR, 1); // one-shot
    TIMER.write(TIMER_TAILR, micros.saturating_mul(CLOCK_HZ / 500_000) / 2);
    TIMER.write(TIMER_IMR, 1);
    TIMER.write(TIMER_CTL, 1);
}

/// Silences the source of an interrupt.
pub fn acknowledge(irq: i16) {
    if irq == TIMER_IRQ as i16 {
        TIMER.write(TIMER_ICR, 1);
    } else {
        let causes = MAC.read(MAC_CAUSES);
        // Acknowledging a transmit error would empty the transmit FIFO.
        MAC.write(MAC_CAUSES, causes & !MAC_TX_ERROR);
        if causes & MAC_RX_LOST != 0 {
            RX_LOST.store(true, Relaxed);
        }
    }
}

// --- Ethernet -----------------------------------------------------------------------------------

// SAFETY: as above.
const MAC: Registers = unsafe { Registers::at(0x4004_8000) };
const MAC_CAUSES: usize = 0x00; // of the interrupt; writing ones acknowledges
const MAC_RX: u32 = 1 << 0;
const MAC_TX_ERROR: u32 = 1 << 1;
const MAC_RX_LOST: u32 = 1 << 3 | 1 << 4; // FIFO overrun, receive error
const MAC_MASK: usize = 0x04;
const MAC_RX_CONTROL: usize = 0x08;
const MAC_RX_ENABLE: u32 = 1 << 0;
const MAC_RX_REJECT_BAD_CRC: u32 = 1 << 3;
const MAC_RX_RESET_FIFO: u32 = 1 << 4;
const MAC_TX_CONTROL: usize = 0x0C;
const MAC_DATA: usize = 0x10;
const MAC_ADDRESS_LOW: usize = 0x14;
const MAC_ADDRESS_HIGH: usize = 0x18;
const MAC_TX_THRESHOLD: usize = 0x1C;
const MAC_RX_FRAMES: usize = 0x34;
const MAC_TX_REQUEST: usize = 0x38;

/// Set by the interrupt handler when the controller lost a frame; the receiver is then restarted.
static RX_LOST: AtomicBool = AtomicBool::new(false);

fn start_ethernet() {
    let [a, b, c, d, e, f] = crate::config::MAC_ADDRESS.0;
    MAC.write(MAC_MASK, 0); // All causes are enabled after reset.
    MAC.write(MAC_CAUSES, !0);
    MAC.write(MAC_ADDRESS_LOW, u32::from_le_bytes([a, b, c, d]));
    MAC.write(MAC_ADDRESS_HIGH, u32::from_le_bytes([e, f, 0, 0]));
    MAC.write(MAC_TX_THRESHOLD, 0x3F); // A frame leaves when it is whole.
    MAC.write(MAC_TX_CONTROL, 0x17); // enable, pad to 60 bytes, append the checksum, full duplex
    restart_receiver();
    MAC.write(MAC_MASK, MAC_RX | MAC_RX_LOST);
}

fn restart_receiver() {
    MAC.write(MAC_RX_CONTROL, MAC_RX_REJECT_BAD_CRC | MAC_RX_RESET_FIFO);
    MAC.write(MAC_RX_CONTROL, MAC_RX_REJECT_BAD_CRC);
    MAC.write(MAC_RX_CONTROL, MAC_RX_REJECT_BAD_CRC | MAC_RX_ENABLE);
}

/// Bytes before a frame in both FIFOs: its length.
const LENGTH_BYTES: usize = 2;
const CHECKSUM_BYTES: usize = 4;

/// The controller, with room for one frame each way: a reply is written while its request is read.
/// Payloads begin at a word, since a length is before the frame.
pub struct Ethernet {
    rx: Buffer<{ LENGTH_BYTES + FRAME_BYTES + CHECKSUM_BYTES }>,
    tx: Buffer<{ LENGTH_BYTES + FRAME_BYTES }>,
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
        MAC.read(MAC_RX_FRAMES) != 0
    }

    /// Takes a frame out of the FIFO; its length, unless it was longer than Ethernet allows.
    fn pop_frame(&mut self) -> Option<usize> {
        let first = MAC.read(MAC_DATA).to_le_bytes();
        // The length counts itself, the frame and its checksum.
        let bytes = usize::from(u16::from_le_bytes([first[0], first[1]]));
        let words = bytes.div_ceil(4).max(1);
        let fitting = words.min(self.rx.0.len() / 4);
        self.rx.0[..4].copy_from_slice(&first);
        MAC.take(MAC_DATA, &mut self.rx, 1..fitting);
        // The next frame is behind what does not fit.
        for _ in fitting..words {
            MAC.read(MAC_DATA);
        }
        bytes
            .checked_sub(LENGTH_BYTES + CHECKSUM_BYTES)
            .filter(|&frame| frame <= FRAME_BYTES)
    }
}

fn sending() -> bool {
    MAC.read(MAC_TX_REQUEST) != 0
}

impl phy::Device for Ethernet {
    type RxToken<'a> = RxToken<'a>;
    type TxToken<'a> = TxToken<'a>;

    fn receive(&mut self, _: Instant) -> Option<(RxToken<'_>, TxToken<'_>)> {
        if RX_LOST.load(Relaxed) {
            RX_LOST.store(false, Relaxed);
            restart_receiver();
        }
        while self.frame_waits() && !sending() {
            if let Some(bytes) = self.pop_frame() {
                let frame = &self.rx.0[LENGTH_BYTES..][..bytes];
                return Some((RxToken(frame), TxToken(&mut self.tx)));
            }
        }
        None
    }

    fn transmit(&mut self, _: Instant) -> Option<TxToken<'_>> {
        (!sending()).then_some(TxToken(&mut self.tx))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        capabilities()
    }
}

/// Room for a frame to send.
pub struct TxToken<'a>(&'a mut Buffer<{ LENGTH_BYTES + FRAME_BYTES }>);

impl phy::TxToken for TxToken<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, bytes: usize, f: F) -> R {
        const HEADER_BYTES: u16 = 14; // The length does not count the header.
        let length = (bytes as u16).saturating_sub(HEADER_BYTES);
        let Buffer(buffer) = self.0;
        buffer[..LENGTH_BYTES].copy_from_slice(&length.to_le_bytes());
        let result = f(&mut buffer[LENGTH_BYTES..][..bytes]);
        MAC.put(MAC_DATA, self.0, (LENGTH_BYTES + bytes).div_ceil(4));
        MAC.write(MAC_TX_REQUEST, 1);
        result
    }
}
