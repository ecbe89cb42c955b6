//! A frame that has arrived, on its way to the stack.

use linecho_core::Instant;
use smoltcp::iface::{Interface, SocketSet};
#[cfg(feature = "medium-ethernet")]
use smoltcp::phy::Medium;
use smoltcp::phy::{DeviceCapabilities, TxToken};

use crate::inject::{Frame, OneFrame};
#[cfg(feature = "medium-ethernet")]
use crate::neighbour;
use crate::segment::Segment;
use crate::time::stack_time;

pub(crate) struct Arrival<'f, T> {
    pub(crate) now: Instant,
    iface: &'f mut Interface,
    capabilities: &'f DeviceCapabilities,
    frame: Frame<'f>,
    /// For the reply.
    tx: T,
    /// The TCP segment in the frame, if there is one.
    pub(crate) segment: Option<Segment>,
}

impl<'f, T: TxToken> Arrival<'f, T> {
    pub(crate) fn new(
        now: Instant,
        iface: &'f mut Interface,
        capabilities: &'f DeviceCapabilities,
        frame: Frame<'f>,
        tx: T,
    ) -> Self {
        Self {
            now,
            iface,
            capabilities,
            frame,
            tx,
            segment: Segment::parse(frame.bytes, capabilities.medium),
        }
    }

    /// Tells the stack the hardware address of the segment's sender, if that is on the link: the
    /// reply then needs no ARP.
    pub(crate) fn tell_sender(&mut self) -> bool {
        #[cfg(feature = "medium-ethernet")]
        if let Some(segment) = &self.segment
            && self.capabilities.medium == Medium::Ethernet
        {
            let (local, peer) = (segment.flow.local, segment.flow.remote.addr);
            neighbour::tell::<T>(
                self.now,
                self.iface,
                self.capabilities,
                local,
                peer,
                segment.hardware,
            );
            return true;
        }
        false
    }

    /// Lets the stack process the frame for `sockets`.
    pub(crate) fn enter(self, sockets: &mut SocketSet<'_>) {
        let mut device = OneFrame {
            frame: Some(self.frame),
            tx: Some(self.tx),
            edit: None,
            capabilities: self.capabilities,
        };
        self.iface
            .poll_ingress_single(stack_time(self.now), &mut device, sockets);
    }
}
