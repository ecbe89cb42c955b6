//! A faulty link from a stack to itself.

use smoltcp::phy::{Device, DeviceCapabilities, Medium};
use smoltcp::time::Instant;

use super::lane::Lane;
use super::{Counters, Faults, RxToken, TxToken, capabilities};

/// A link whose both ends are at the same stack, so that a server and a client can share one.
///
/// All frames share one direction: its rate, its queue and its counters.
#[derive(Debug)]
pub struct FaultyLoopback {
    medium: Medium,
    mtu: usize,
    lane: Lane,
    /// The frame that the stack is looking at.
    arrived: Vec<u8>,
}

impl FaultyLoopback {
    /// Makes a loopback with `faults`. See [`FaultyLink::new`](super::FaultyLink::new) for `mtu`.
    #[must_use]
    pub fn new(medium: Medium, mtu: usize, seed: u64, faults: Faults) -> Self {
        Self {
            medium,
            mtu,
            lane: Lane::new(mtu, seed, 0, faults),
            arrived: Vec::new(),
        }
    }

    /// Changes what happens to frames from now on. Those under way arrive as planned.
    pub fn set_faults(&mut self, faults: Faults) {
        self.lane.faults = faults;
    }

    /// Returns the fates of the frames.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.lane.counters
    }

    /// Returns the time at which the next frame arrives. `None`: nothing is under way.
    #[must_use]
    pub fn next_arrival(&self) -> Option<Instant> {
        self.lane.next_arrival()
    }

    /// Returns the number of frames under way.
    #[must_use]
    pub fn under_way(&self) -> usize {
        self.lane.under_way()
    }
}

impl Device for FaultyLoopback {
    type RxToken<'a> = RxToken<'a>;
    type TxToken<'a> = TxToken<'a>;

    fn receive(&mut self, now: Instant) -> Option<(RxToken<'_>, TxToken<'_>)> {
        self.lane.receive(now, &mut self.arrived)?;
        Some((
            RxToken {
                frame: &self.arrived,
            },
            TxToken {
                lane: &mut self.lane,
                now,
            },
        ))
    }

    fn transmit(&mut self, now: Instant) -> Option<TxToken<'_>> {
        Some(TxToken {
            lane: &mut self.lane,
            now,
        })
    }

    fn capabilities(&self) -> DeviceCapabilities {
        capabilities(self.medium, self.mtu)
    }
}
