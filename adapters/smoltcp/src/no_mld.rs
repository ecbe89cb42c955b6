//! Nothing to report: there are no neighbours, or they do not look for us in groups.

use linecho_core::Instant;
use smoltcp::iface::Interface;
use smoltcp::phy::Device;

#[derive(Debug, Default)]
pub(crate) struct Reports {}

impl Reports {
    pub(crate) fn answer<D: Device + ?Sized>(&mut self, _: Instant, _: &Interface, _: &mut D) {}

    pub(crate) fn turn<D: Device + ?Sized>(
        &mut self,
        _: Instant,
        _: &Interface,
        _: &mut D,
    ) -> Option<Instant> {
        None
    }
}
