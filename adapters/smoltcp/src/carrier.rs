//! A device as the stack sees it: it may bring a stray segment first, whose answer becomes a question.
//!
//! All traffic goes through this one type, since the stack's code exists once for each type of device.

use smoltcp::phy::{Device, DeviceCapabilities, PacketMeta, RxToken, TxToken};
use smoltcp::time::Instant;

use crate::question::Question;

pub(crate) struct Carrier<'d, D: ?Sized> {
    device: &'d mut D,
    stray: Option<(&'d [u8], Answer<'d>)>,
}

/// What becomes of the answer to a stray segment.
#[derive(Clone, Copy)]
pub(crate) struct Answer<'q> {
    pub(crate) question: &'q Question,
    /// Where its TCP header begins.
    pub(crate) tcp_at: usize,
    /// Whether it needs a checksum.
    pub(crate) checksum: bool,
}

impl<'d, D: ?Sized> Carrier<'d, D> {
    pub(crate) fn new(device: &'d mut D) -> Self {
        let stray = None;
        Self { device, stray }
    }

    pub(crate) fn with_stray(device: &'d mut D, frame: &'d [u8], answer: Answer<'d>) -> Self {
        let stray = Some((frame, answer));
        Self { device, stray }
    }
}

impl<D: Device + ?Sized> Device for Carrier<'_, D> {
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
        if let Some((frame, answer)) = self.stray.take() {
            let tx = self.device.transmit(now)?;
            let answer = Some(answer);
            return Some((Rx::Stray(frame), Tx { tx, answer }));
        }
        let (rx, tx) = self.device.receive(now)?;
        Some((Rx::Frame(rx), Tx { tx, answer: None }))
    }

    fn transmit(&mut self, now: Instant) -> Option<Self::TxToken<'_>> {
        let tx = self.device.transmit(now)?;
        Some(Tx { tx, answer: None })
    }
}

pub(crate) enum Rx<'a, T> {
    Frame(T),
    Stray(&'a [u8]),
}

impl<T: RxToken> RxToken for Rx<'_, T> {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        match self {
            Self::Frame(rx) => rx.consume(f),
            Self::Stray(frame) => f(frame),
        }
    }

    fn meta(&self) -> PacketMeta {
        match self {
            Self::Frame(rx) => rx.meta(),
            Self::Stray(_) => PacketMeta::default(),
        }
    }
}

pub(crate) struct Tx<'a, T> {
    tx: T,
    answer: Option<Answer<'a>>,
}

impl<T: TxToken> TxToken for Tx<'_, T> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        self.tx.consume(len, |frame| {
            let result = f(frame);
            if let Some(answer) = self.answer {
                answer
                    .question
                    .set_back(frame, answer.tcp_at, answer.checksum);
            }
            result
        })
    }

    fn set_meta(&mut self, meta: PacketMeta) {
        self.tx.set_meta(meta);
    }
}
