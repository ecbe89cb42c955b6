//! A device in front of the caller's: it can inject one frame, and edit the stack's reply to it.
//!
//! All traffic goes through this one type, since the stack's code exists once for each type of
//! device.

use smoltcp::phy::{Device, DeviceCapabilities, PacketMeta, RxToken, TxToken};
use smoltcp::time::Instant;

/// Changes the reply to an injected frame before it is sent.
pub(crate) type Edit<'e> = &'e dyn Fn(&mut [u8]);

/// The caller's device, with a frame to inject or without one.
pub(crate) struct Injecting<'d, D: ?Sized> {
    device: &'d mut D,
    injected: Option<(&'d [u8], Edit<'d>)>,
}

impl<'d, D: ?Sized> Injecting<'d, D> {
    /// Wraps `device`, and injects nothing.
    pub(crate) fn nothing(device: &'d mut D) -> Self {
        let injected = None;
        Self { device, injected }
    }

    /// Wraps `device`; the first frame that the stack receives is `frame`.
    pub(crate) fn frame(device: &'d mut D, frame: &'d [u8], edit: Edit<'d>) -> Self {
        let injected = Some((frame, edit));
        Self { device, injected }
    }
}

impl<D: Device + ?Sized> Device for Injecting<'_, D> {
    type RxToken<'a>
        = Rx<'a, D::RxToken<'a>>
    where
        Self: 'a;
    type TxToken<'a>
        = Tx<'a, D::TxToken<'a>>
    where
        Self: 'a;

    fn capabilities(&self) -> DeviceCapabilities {
        self.device.capabilities()
    }

    fn receive(&mut self, now: Instant) -> Option<(Self::RxToken<'_>, Self::TxToken<'_>)> {
        if let Some((frame, edit)) = self.injected.take() {
            let tx = self.device.transmit(now)?;
            let edit = Some(edit);
            return Some((Rx::Injected(frame), Tx { tx, edit }));
        }
        let (rx, tx) = self.device.receive(now)?;
        Some((Rx::Received(rx), Tx { tx, edit: None }))
    }

    fn transmit(&mut self, now: Instant) -> Option<Self::TxToken<'_>> {
        let tx = self.device.transmit(now)?;
        Some(Tx { tx, edit: None })
    }
}

pub(crate) enum Rx<'a, T> {
    Received(T),
    Injected(&'a [u8]),
}

impl<T: RxToken> RxToken for Rx<'_, T> {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        match self {
            Self::Received(rx) => rx.consume(f),
            Self::Injected(frame) => f(frame),
        }
    }

    fn meta(&self) -> PacketMeta {
        match self {
            Self::Received(rx) => rx.meta(),
            Self::Injected(_) => PacketMeta::default(),
        }
    }
}

pub(crate) struct Tx<'a, T> {
    tx: T,
    edit: Option<Edit<'a>>,
}

impl<T: TxToken> TxToken for Tx<'_, T> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        self.tx.consume(len, |frame| {
            let result = f(frame);
            if let Some(edit) = self.edit {
                edit(frame);
            }
            result
        })
    }

    fn set_meta(&mut self, meta: PacketMeta) {
        self.tx.set_meta(meta);
    }
}
