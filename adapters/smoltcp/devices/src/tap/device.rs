//! The device as smoltcp sees it.

use core::num::{NonZeroU16, NonZeroUsize};

use smoltcp::phy::{self, Checksum, Device, DeviceCapabilities, Medium, PacketMeta};
use smoltcp::time::Instant;

use super::batch::Outgoing;
use super::descriptor::Descriptor;
use super::{ETHERNET_HEADER_LEN, MAX_IP_LEN, Tap};

impl Device for Tap {
    type RxToken<'a> = RxToken<'a>;
    type TxToken<'a> = TxToken<'a>;

    fn receive(&mut self, _now: Instant) -> Option<(RxToken<'_>, TxToken<'_>)> {
        let frame = self.incoming.next(|room| self.descriptor.read(room))?;
        let tx = TxToken {
            descriptor: &mut self.descriptor,
            outgoing: &mut self.outgoing,
            segment_len: None,
        };
        Some((RxToken { frame }, tx))
    }

    fn transmit(&mut self, _now: Instant) -> Option<TxToken<'_>> {
        Some(TxToken {
            descriptor: &mut self.descriptor,
            outgoing: &mut self.outgoing,
            segment_len: None,
        })
    }

    /// No burst size is given: the kernel queues 1,000 frames, which is more than a window holds.
    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = ETHERNET_HEADER_LEN + self.mtu;
        if self.descriptor.offloaded {
            capabilities.checksum.tcp = Checksum::None;
            // smoltcp 0.14 drops long IPv6 segments where it should hand them over, so that these
            // are long on the way in only.
            capabilities.segmentation.tcpv4 = NonZeroUsize::new(ETHERNET_HEADER_LEN + MAX_IP_LEN);
        }
        capabilities
    }
}

/// A frame from the kernel.
pub struct RxToken<'a> {
    frame: &'a [u8],
}

impl phy::RxToken for RxToken<'_> {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(self.frame)
    }
}

/// Room for a frame to the kernel.
pub struct TxToken<'a> {
    descriptor: &'a mut Descriptor,
    outgoing: &'a mut Outgoing,
    segment_len: Option<NonZeroU16>,
}

impl phy::TxToken for TxToken<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        self.outgoing
            .send(self.descriptor, len, self.segment_len, f)
    }

    fn set_meta(&mut self, meta: PacketMeta) {
        self.segment_len = meta.segmentation_offload_size;
    }
}
