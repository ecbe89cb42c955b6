//! One end of a link whose frames a test moves itself.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use smoltcp::phy::{self, Device, DeviceCapabilities, Medium};
use smoltcp::time::Instant;

/// Frames that wait, oldest first. A test keeps a clone to put some in, or to take them out.
pub type Frames = Rc<RefCell<VecDeque<Vec<u8>>>>;

/// One end of a link whose frames a test moves itself: from one end's `tx` to the other's `rx`, or
/// to and from a peer that is made of single segments.
#[derive(Debug)]
pub struct End {
    /// Frames for the stack.
    pub rx: Frames,
    /// Frames that the stack has sent.
    pub tx: Frames,
    /// The link is down: frames of the stack are dropped.
    pub down: bool,
    /// The queue is full: the device takes no frame, and hands none over.
    pub full: bool,
    medium: Medium,
    mtu: usize,
}

impl End {
    /// Makes an end of a link that is up and has room. `mtu` is the device's
    /// [`max_transmission_unit`](DeviceCapabilities::max_transmission_unit).
    #[must_use]
    pub fn new(medium: Medium, mtu: usize) -> Self {
        Self {
            rx: Frames::default(),
            tx: Frames::default(),
            down: false,
            full: false,
            medium,
            mtu,
        }
    }
}

impl Device for End {
    type RxToken<'a> = Rx;
    type TxToken<'a> = Tx;

    fn receive(&mut self, now: Instant) -> Option<(Rx, Tx)> {
        let frame = self.rx.borrow_mut().pop_front()?;
        self.transmit(now).map(|tx| (Rx(frame), tx))
    }

    fn transmit(&mut self, _now: Instant) -> Option<Tx> {
        let frames = (!self.down).then(|| Rc::clone(&self.tx));
        (!self.full).then_some(Tx(frames))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = self.medium;
        capabilities.max_transmission_unit = self.mtu;
        capabilities
    }
}

/// A frame for the stack.
#[derive(Debug)]
pub struct Rx(Vec<u8>);

impl phy::RxToken for Rx {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(&self.0)
    }
}

/// Room for a frame of the stack; `None` drops it.
#[derive(Debug)]
pub struct Tx(Option<Frames>);

impl phy::TxToken for Tx {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let mut frame = vec![0; len];
        let result = f(&mut frame);
        if let Some(frames) = self.0 {
            frames.borrow_mut().push_back(frame);
        }
        result
    }
}
