//! Events of a listener.

use core::fmt;

use linecho_core::{Counters, Reason};
use smoltcp::wire::IpEndpoint;

/// A connection came or went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Event {
    /// A connection was accepted.
    Opened {
        /// The slot that holds it, from 0.
        slot: usize,
        /// The address and port of the peer.
        peer: IpEndpoint,
    },
    /// A session ended. Its connection is being closed; the slot listens again when that is done.
    Closed {
        /// The slot that held it.
        slot: usize,
        /// The address and port of the peer.
        peer: IpEndpoint,
        /// The reason of its end.
        reason: Reason,
        /// The counts of its bytes and lines.
        counters: Counters,
    },
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Opened { slot, peer } => write!(f, "{slot}: {peer} opened"),
            Self::Closed {
                slot,
                peer,
                reason,
                counters,
            } => write!(
                f,
                "{slot}: {peer} closed: {reason}, {} lines, {} bytes in, {} bytes out",
                counters.lines, counters.bytes_in, counters.bytes_out
            ),
        }
    }
}
