//! A device that receives one frame, for the socket set that the frame belongs to.

use smoltcp::phy::{Device, DeviceCapabilities, PacketMeta, RxToken, TxToken};
use smoltcp::time::Instant;

pub(super) struct OneFrame<'f, T> {
    pub(super) frame: Option<Frame<'f>>,
    /// For the answer to it.
    pub(super) tx: Option<T>,
    pub(super) capabilities: &'f DeviceCapabilities,
}

#[derive(Clone, Copy)]
pub(super) struct Frame<'f> {
    pub(super) bytes: &'f [u8],
    pub(super) meta: PacketMeta,
}

impl<T: TxToken> Device for OneFrame<'_, T> {
    type RxToken<'a>
        = Frame<'a>
    where
        Self: 'a;
    type TxToken<'a>
        = T
    where
        Self: 'a;

    fn capabilities(&self) -> DeviceCapabilities {
        self.capabilities.clone()
    }

    fn receive(&mut self, _: Instant) -> Option<(Frame<'_>, T)> {
        self.frame.take().zip(self.tx.take())
    }

    fn transmit(&mut self, _: Instant) -> Option<T> {
        self.tx.take()
    }
}

impl RxToken for Frame<'_> {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(self.bytes)
    }

    fn meta(&self) -> PacketMeta {
        self.meta
    }
}
