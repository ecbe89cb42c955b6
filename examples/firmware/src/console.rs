//! The log: lines of text on the serial line.
//!
//! The lines are those that `{event}` and the like would give. What `core::fmt` takes for them, for
//! padding, signs and Unicode that no line has, is a tenth of the whole image.

use linecho_smoltcp::smoltcp::wire::{IpAddress, IpEndpoint};
use linecho_smoltcp::{Event, Reason};

use crate::board;

/// Logs a line: all arguments, one after the other.
#[macro_export]
macro_rules! log {
    ($($part:expr),+) => {
        if !cfg!(feature = "quiet") {
            $($crate::console::Text::write(&$part);)+
            $crate::console::Text::write("\r\n");
        }
    };
}

/// A part of a line.
pub trait Text {
    /// Writes it on the serial line, which cannot fail.
    fn write(&self);
}

impl<T: Text + ?Sized> Text for &T {
    fn write(&self) {
        (**self).write();
    }
}

impl Text for str {
    #[inline(never)]
    fn write(&self) {
        self.bytes().for_each(board::write_byte);
    }
}

impl Text for u64 {
    #[inline(never)]
    fn write(&self) {
        if *self >= 10 {
            (*self / 10).write();
        }
        board::write_byte(b'0' + (*self % 10) as u8);
    }
}

impl Text for usize {
    fn write(&self) {
        (*self as u64).write();
    }
}

impl Text for u16 {
    fn write(&self) {
        u64::from(*self).write();
    }
}

impl Text for u8 {
    fn write(&self) {
        u64::from(*self).write();
    }
}

/// A register or an address: eight hexadecimal digits.
pub struct Hex(pub u32);

impl Text for Hex {
    fn write(&self) {
        "0x".write();
        for digit in (0..8)
            .rev()
            .map(|place| (self.0 >> (4 * place)) as u8 & 0xF)
        {
            board::write_byte(digit + if digit < 10 { b'0' } else { b'a' - 10 });
        }
    }
}

impl Text for Event {
    fn write(&self) {
        let (Self::Opened { slot, peer } | Self::Closed { slot, peer, .. }) = self;
        slot.write();
        ": ".write();
        peer.write();
        match self {
            Self::Opened { .. } => " opened".write(),
            Self::Closed {
                reason, counters, ..
            } => {
                " closed: ".write();
                reason.write();
                ", ".write();
                counters.lines.write();
                " lines, ".write();
                counters.bytes_in.write();
                " bytes in, ".write();
                counters.bytes_out.write();
                " bytes out".write();
            }
        }
    }
}

impl Text for IpEndpoint {
    fn write(&self) {
        let IpAddress::Ipv4(address) = self.addr;
        let [first, rest @ ..] = address.octets();
        first.write();
        for part in rest {
            ".".write();
            part.write();
        }
        ":".write();
        self.port.write();
    }
}

impl Text for Reason {
    fn write(&self) {
        match self {
            Self::PeerClosed => "peer closed",
            Self::Idle => "idle",
            Self::WriteStalled => "write stalled",
            Self::LineTooLong => "line too long",
            Self::Reset => "reset",
            Self::Shutdown => "shutdown",
            // No error of a smoltcp socket is anything but a reset.
            _ => "failed",
        }
        .write();
    }
}
