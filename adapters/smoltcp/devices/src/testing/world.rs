//! A link and its clock.

use core::time::Duration;

use smoltcp::phy::Medium;
use smoltcp::time::Instant;
use smoltcp::wire::IpCidr;

use super::Host;
use crate::faulty::{Busy, Faults, FaultyLink, Side, VirtualClock};

/// A faulty link and the clock of its hosts, which jumps to what happens next.
#[derive(Debug)]
pub struct World {
    /// The link.
    pub link: FaultyLink,
    clock: VirtualClock,
}

impl World {
    /// Makes a link as [`FaultyLink::new`] does, and starts the clock at zero.
    #[must_use]
    pub fn new(medium: Medium, mtu: usize, seed: u64, faults: Faults) -> Self {
        Self {
            link: FaultyLink::new(medium, mtu, seed, faults),
            clock: VirtualClock::new(Instant::ZERO),
        }
    }

    /// Makes a host at one end of the link: see [`Host::new`].
    pub fn host(
        &mut self,
        side: Side,
        addresses: impl IntoIterator<Item = IpCidr>,
        seed: u64,
    ) -> Host {
        Host::new(&mut self.link.end(side), addresses, seed, self.clock.now())
    }

    /// Returns the time.
    #[must_use]
    pub const fn now(&self) -> Instant {
        self.clock.now()
    }

    /// Lets a host do all that it can do now.
    pub fn poll(&mut self, side: Side, host: &mut Host) {
        host.poll(self.clock.now(), &mut self.link.end(side));
    }

    /// Returns whether a frame has arrived for `side`.
    #[must_use]
    pub fn has_frame(&self, side: Side) -> bool {
        self.link
            .next_arrival_for(side)
            .is_some_and(|at| at <= self.now())
    }

    /// Moves the clock to the earliest of `deadlines` and of the next arrival of a frame, at most
    /// `longest` ahead. One that is due already leaves it where it is.
    ///
    /// # Errors
    ///
    /// When the clock stands still for far more turns than anybody needs.
    pub fn pass(
        &mut self,
        deadlines: impl IntoIterator<Item = Option<Instant>>,
        longest: Duration,
    ) -> Result<(), Busy> {
        let deadlines = deadlines.into_iter().chain([self.link.next_arrival()]);
        self.clock.pass(deadlines, longest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use smoltcp::phy::{Device as _, TxToken as _};

    #[test]
    fn a_frame_that_arrives_is_a_deadline() {
        let faults = Faults {
            delay: Duration::from_millis(20),
            ..Faults::NONE
        };
        let mut world = World::new(Medium::Ip, 1500, 1, faults);
        let second = Duration::from_secs(1);
        let mut near = world.link.end(Side::A);
        near.transmit(Instant::ZERO).unwrap().consume(1, |_| ());
        let soon = Instant::from_millis(5);
        world.pass([None, Some(soon)], second).unwrap();
        assert_eq!(world.now(), soon);
        assert!(!world.has_frame(Side::B));
        world.pass([None], second).unwrap();
        assert_eq!(world.now().total_millis(), 20);
        assert!(world.has_frame(Side::B) && !world.has_frame(Side::A));
    }
}
