//! A device with a capture around it.

use std::cell::RefCell;
use std::io::Write;

use smoltcp::phy::{self, Device, DeviceCapabilities, PacketMeta};
use smoltcp::time::Instant;

use super::Capture;

/// A device whose frames are captured: see [`Pcap::around`](super::Pcap::around).
#[derive(Debug)]
pub struct Captured<'d, D, W> {
    pub(super) device: &'d mut D,
    /// `None`: frames pass without a look.
    pub(super) capture: Option<&'d RefCell<Capture<W>>>,
}

impl<D: Device, W: Write> Device for Captured<'_, D, W> {
    type RxToken<'a>
        = Token<'a, D::RxToken<'a>, W>
    where
        Self: 'a;
    type TxToken<'a>
        = Token<'a, D::TxToken<'a>, W>
    where
        Self: 'a;

    fn receive(&mut self, now: Instant) -> Option<(Self::RxToken<'_>, Self::TxToken<'_>)> {
        let capture = self.capture;
        let (rx, tx) = self.device.receive(now)?;
        Some((
            Token {
                token: rx,
                capture,
                now,
            },
            Token {
                token: tx,
                capture,
                now,
            },
        ))
    }

    fn transmit(&mut self, now: Instant) -> Option<Self::TxToken<'_>> {
        let capture = self.capture;
        let token = self.device.transmit(now)?;
        Some(Token {
            token,
            capture,
            now,
        })
    }

    fn capabilities(&self) -> DeviceCapabilities {
        self.device.capabilities()
    }
}

/// A token of the device, with the capture beside it.
pub struct Token<'a, T, W> {
    token: T,
    capture: Option<&'a RefCell<Capture<W>>>,
    now: Instant,
}

impl<T: phy::RxToken, W: Write> phy::RxToken for Token<'_, T, W> {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        let Self {
            token,
            capture,
            now,
        } = self;
        token.consume(|frame| {
            record(capture, now, frame);
            f(frame)
        })
    }

    fn meta(&self) -> PacketMeta {
        self.token.meta()
    }
}

impl<T: phy::TxToken, W: Write> phy::TxToken for Token<'_, T, W> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let Self {
            token,
            capture,
            now,
        } = self;
        token.consume(len, |frame| {
            let result = f(frame);
            record(capture, now, frame);
            result
        })
    }

    fn set_meta(&mut self, meta: PacketMeta) {
        self.token.set_meta(meta);
    }
}

/// The capture is borrowed for no longer than a write takes, so that it is always free here, unless
/// the writer itself sends frames through the device.
fn record<W: Write>(capture: Option<&RefCell<Capture<W>>>, now: Instant, frame: &[u8]) {
    if let Some(capture) = capture
        && let Ok(mut capture) = capture.try_borrow_mut()
    {
        capture.record(now, frame);
    }
}
