//! Devices between the stack and the caller's: one receives a single frame, the other one sends.
//!
//! Their transmit token is the same type, since the stack's code exists once for each type of it.

use smoltcp::phy::{Device, DeviceCapabilities, PacketMeta, RxToken, TxToken};
use smoltcp::time::Instant;

/// Sees a frame that the stack has written, and may change it, before it is sent.
pub(crate) type Edit<'e> = &'e dyn Fn(&mut [u8]);

/// A device that receives one frame: one that has arrived, or one that is injected.
pub(crate) struct OneFrame<'f, T> {
    pub(crate) frame: Option<Frame<'f>>,
    /// The destination of the reply.
    pub(crate) to: Option<To<'f, T>>,
    pub(crate) edit: Option<Edit<'f>>,
    pub(crate) capabilities: &'f DeviceCapabilities,
}

pub(crate) enum To<'f, T> {
    Device(T),
    Unsent(&'f mut Unsent),
}

/// The reply to an injected frame, which is not sent.
pub(crate) struct Unsent {
    bytes: [u8; LONGEST_REPLY],
    len: usize,
}

/// Ethernet, IPv6, and TCP with all its options.
const LONGEST_REPLY: usize = 14 + 40 + 60;

impl Unsent {
    pub(crate) const EMPTY: Self = Self {
        bytes: [0; LONGEST_REPLY],
        len: 0,
    };

    /// Makes room for a frame, and returns that.
    fn start(&mut self, len: usize) -> &mut [u8] {
        self.len = len;
        self.frame()
    }

    /// Returns the frame, or nothing, if the stack had no reply.
    pub(crate) fn frame(&mut self) -> &mut [u8] {
        self.bytes.get_mut(..self.len).unwrap_or_default()
    }
}

#[derive(Clone, Copy)]
pub(crate) struct Frame<'f> {
    pub(crate) bytes: &'f [u8],
    pub(crate) meta: PacketMeta,
}

impl<T: TxToken> Device for OneFrame<'_, T> {
    type RxToken<'a>
        = Frame<'a>
    where
        Self: 'a;
    type TxToken<'a>
        = Tx<'a, T>
    where
        Self: 'a;

    fn capabilities(&self) -> DeviceCapabilities {
        self.capabilities.clone()
    }

    fn receive(&mut self, _: Instant) -> Option<(Frame<'_>, Tx<'_, T>)> {
        let (frame, to) = self.frame.take().zip(self.to.take())?;
        let edit = self.edit;
        Some((frame, Tx { to, edit }))
    }

    fn transmit(&mut self, _: Instant) -> Option<Tx<'_, T>> {
        None
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

/// The caller's device, as the stack sends through it.
pub(crate) struct Sender<'d, D: ?Sized> {
    pub(crate) device: &'d mut D,
    /// The stack had something to send, and the device would have taken it.
    pub(crate) was_wanted: bool,
}

impl<'d, D: ?Sized> Sender<'d, D> {
    pub(crate) fn new(device: &'d mut D) -> Self {
        Self {
            device,
            was_wanted: false,
        }
    }
}

impl<D: Device + ?Sized> Device for Sender<'_, D> {
    type RxToken<'a>
        = Frame<'a>
    where
        Self: 'a;
    type TxToken<'a>
        = Tx<'a, D::TxToken<'a>>
    where
        Self: 'a;

    fn capabilities(&self) -> DeviceCapabilities {
        self.device.capabilities()
    }

    fn receive(&mut self, _: Instant) -> Option<(Self::RxToken<'_>, Self::TxToken<'_>)> {
        None
    }

    fn transmit(&mut self, now: Instant) -> Option<Self::TxToken<'_>> {
        let to = To::Device(self.device.transmit(now)?);
        self.was_wanted = true;
        Some(Tx { to, edit: None })
    }
}

pub(crate) struct Tx<'a, T> {
    to: To<'a, T>,
    edit: Option<Edit<'a>>,
}

impl<T: TxToken> TxToken for Tx<'_, T> {
    #[inline(always)]
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let edit = self.edit;
        match self.to {
            To::Device(tx) => tx.consume(len, |frame| {
                let result = f(frame);
                if let Some(edit) = edit {
                    edit(frame);
                }
                result
            }),
            To::Unsent(unsent) => write_unsent(unsent.start(len), f),
        }
    }

    fn set_meta(&mut self, meta: PacketMeta) {
        if let To::Device(tx) = &mut self.to {
            tx.set_meta(meta);
        }
    }
}

/// Out of line, so that the common way has the code of `f` in line.
#[cold]
#[inline(never)]
fn write_unsent<R, F: FnOnce(&mut [u8]) -> R>(frame: &mut [u8], f: F) -> R {
    f(frame)
}
