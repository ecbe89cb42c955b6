//! An end of the link: a device whose frames the world moves, in buffers that are used again, since
//! most of the time of a run would go into allocating them.

use std::collections::VecDeque;
use std::mem;

use linecho_smoltcp::smoltcp::phy::{self, Device, DeviceCapabilities, Medium};
use linecho_smoltcp::smoltcp::time::Instant;

use super::MTU;

#[derive(Default)]
pub(super) struct Port {
    /// Frames for the stack, and frames that it has sent, oldest first.
    rx: VecDeque<Vec<u8>>,
    tx: VecDeque<Vec<u8>>,
    /// The queue is full: the device takes no frame, and loses those for the stack.
    pub(super) full: bool,
    /// The last frame that the stack has received.
    received: Vec<u8>,
    spare: Vec<Vec<u8>>,
}

impl Port {
    /// Puts in a frame for the stack.
    pub(super) fn put(&mut self, frame: Vec<u8>) {
        self.rx.push_back(frame);
    }

    /// Returns whether there is a frame for the stack.
    pub(super) fn has_frame(&self) -> bool {
        !self.rx.is_empty()
    }

    /// Takes out the oldest frame that the stack has sent.
    pub(super) fn take(&mut self) -> Option<Vec<u8>> {
        self.tx.pop_front()
    }

    /// Takes back the buffer of a frame that goes nowhere.
    pub(super) fn reuse(&mut self, buffer: Vec<u8>) {
        self.spare.push(buffer);
    }
}

impl Device for Port {
    type RxToken<'a> = Rx<'a>;
    type TxToken<'a> = Tx<'a>;

    fn receive(&mut self, _: Instant) -> Option<(Rx<'_>, Tx<'_>)> {
        let frame = self.rx.pop_front()?;
        self.spare.push(mem::replace(&mut self.received, frame));
        let Self {
            tx,
            full,
            received,
            spare,
            ..
        } = self;
        (!*full).then_some((Rx(received), Tx { tx, spare }))
    }

    fn transmit(&mut self, _: Instant) -> Option<Tx<'_>> {
        let Self {
            tx, full, spare, ..
        } = self;
        (!*full).then_some(Tx { tx, spare })
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = MTU;
        capabilities
    }
}

pub(super) struct Rx<'a>(&'a [u8]);

impl phy::RxToken for Rx<'_> {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(self.0)
    }
}

pub(super) struct Tx<'a> {
    tx: &'a mut VecDeque<Vec<u8>>,
    spare: &'a mut Vec<Vec<u8>>,
}

impl phy::TxToken for Tx<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let mut frame = self.spare.pop().unwrap_or_default();
        frame.clear();
        frame.resize(len, 0);
        let result = f(&mut frame);
        self.tx.push_back(frame);
        result
    }
}
