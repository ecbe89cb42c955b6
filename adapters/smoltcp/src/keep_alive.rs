//! Keep-alive probes (RFC 1122, 4.2.3.6).
//!
//! Those of smoltcp carry a garbage byte at the last sequence number sent, and a peer that lacks
//! the byte with that number takes it for data. Ours are empty segments below SND.UNA: a peer
//! answers what lies outside its window with what it expects next, and how much of it (RFC 9293,
//! 3.10.7.4).
//!
//! The answer also gets a connection going again for which smoltcp 0.14 has data in flight and no
//! timer: an older segment that a newer one had overtaken, or a peer that shrank its window, closed
//! the window; or the device was full at the moment of a fast retransmission. And a FIN that a fast
//! retransmission left without a timer goes out again with the probe.

use core::cell::Cell;

use linecho_core::Instant;
use smoltcp::iface::{Interface, SocketSet};
use smoltcp::phy::{Device, Medium};
use smoltcp::socket::tcp::{self, State};

use crate::ack::{AHEAD, EITHER, Ends, RATE_LIMIT};
use crate::inject::{Edit, To};
use crate::time::stack_time;

/// A keep-alive probe for one connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KeepAlive {
    ends: Ends,
    /// The bytes between SND.UNA and what is next to be written.
    unacknowledged: usize,
    /// Our FIN was sent, and is not acknowledged.
    fin: bool,
}

/// The time of the next probe, to about a second: a slot has 32 bits to spare for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ProbeAt(u32);

/// A unit is 2^20 microseconds; 32 bits last for 142 years.
const UNIT_BITS: u32 = 20;

impl ProbeAt {
    pub(crate) const NEVER: Self = Self(u32::MAX);

    pub(crate) fn not_before(at: Instant) -> Self {
        Self(Self::not_after(at).0.saturating_add(1))
    }

    pub(crate) fn not_after(at: Instant) -> Self {
        let units = at.as_micros() >> UNIT_BITS;
        Self(u32::try_from(units).unwrap_or(u32::MAX))
    }

    pub(crate) fn instant(self) -> Option<Instant> {
        let at = Instant::from_micros(u64::from(self.0) << UNIT_BITS);
        (self != Self::NEVER).then_some(at)
    }
}

impl KeepAlive {
    /// Makes a probe for a connection that is established, or was.
    pub(crate) fn new(tcp: &tcp::Socket<'_>) -> Option<Self> {
        Some(Self {
            ends: Ends::of(tcp)?,
            unacknowledged: tcp.send_queue(),
            fin: matches!(
                tcp.state(),
                State::FinWait1 | State::Closing | State::LastAck
            ),
        })
    }

    /// Sends the probe. Returns `false` if the device is full. The connection's socket is in
    /// `sockets`.
    pub(crate) fn send<D: Device + ?Sized>(
        &self,
        now: Instant,
        iface: &mut Interface,
        device: &mut D,
        sockets: &mut SocketSet<'_>,
    ) -> bool {
        let capabilities = device.capabilities();
        let (medium, checksum) = (capabilities.medium, capabilities.checksum.tcp.tx());
        let sent = Cell::new(false);
        let edit = |frame: &mut [u8]| {
            sent.set(true);
            self.set_back(frame, medium, checksum);
        };
        // Segments in the peer's name may have just been acknowledged, which must not keep the peer
        // from its probe.
        for late in 0..=AHEAD {
            for acknowledged in EITHER {
                let Some(tx) = device.transmit(stack_time(now)) else {
                    return false;
                };
                let at = now + RATE_LIMIT * late;
                let reply = (To::Device(tx), Some(&edit as Edit<'_>));
                self.ends
                    .acknowledge(at, acknowledged, iface, &capabilities, sockets, reply);
                if sent.get() {
                    return true;
                }
            }
        }
        true
    }

    /// Turns the acknowledgement into the probe.
    fn set_back(&self, frame: &mut [u8], medium: Medium, checksum: bool) {
        if let Some(mut segment) = self.ends.segment(frame, medium) {
            segment.set_seq_number(segment.seq_number() - (self.unacknowledged + 1));
            segment.set_fin(self.fin);
            if checksum {
                segment.fill_checksum(&self.ends.local.addr, &self.ends.peer.addr);
            }
        }
    }
}
