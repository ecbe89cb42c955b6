//! A link and its clock.

use core::time::Duration;
use std::error::Error;
use std::fmt;

use smoltcp::phy::Medium;
use smoltcp::time::Instant;
use smoltcp::wire::IpCidr;

use super::Host;
use crate::faulty::{Faults, FaultyLink, Side};

/// More turns than anybody needs at one instant.
const TURNS_AT_ONE_INSTANT: u32 = 100_000;

/// A faulty link and the clock of its hosts, which jumps to what happens next.
#[derive(Debug)]
pub struct World {
    /// The link.
    pub link: FaultyLink,
    now: Instant,
    turns_at_now: u32,
}

/// Somebody in a [`World`] wants another turn at once, again and again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Busy {
    /// The time that does not pass.
    pub now: Instant,
}

impl fmt::Display for Busy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "somebody spins at {}", self.now)
    }
}

impl Error for Busy {}

impl World {
    /// Makes a link as [`FaultyLink::new`] does, and starts the clock at zero.
    #[must_use]
    pub fn new(medium: Medium, mtu: usize, seed: u64, faults: Faults) -> Self {
        Self {
            link: FaultyLink::new(medium, mtu, seed, faults),
            now: Instant::ZERO,
            turns_at_now: 0,
        }
    }

    /// Makes a host at one end of the link: see [`Host::new`].
    pub fn host(
        &mut self,
        side: Side,
        addresses: impl IntoIterator<Item = IpCidr>,
        seed: u64,
    ) -> Host {
        Host::new(&mut self.link.end(side), addresses, seed, self.now)
    }

    /// Returns the time.
    #[must_use]
    pub const fn now(&self) -> Instant {
        self.now
    }

    /// Lets a host do all that it can do now.
    pub fn poll(&mut self, side: Side, host: &mut Host) {
        host.poll(self.now, &mut self.link.end(side));
    }

    /// Returns whether a frame has arrived for `side`.
    #[must_use]
    pub fn has_frame(&self, side: Side) -> bool {
        self.link
            .next_arrival_for(side)
            .is_some_and(|at| at <= self.now)
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
        let latest = self.now + longest.into();
        let next = deadlines.into_iter().flatten();
        let next = next
            .chain(self.link.next_arrival())
            .fold(latest, Instant::min);
        if next > self.now {
            self.now = next;
            self.turns_at_now = 0;
            return Ok(());
        }
        self.turns_at_now += 1;
        if self.turns_at_now > TURNS_AT_ONE_INSTANT {
            return Err(Busy { now: self.now });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use smoltcp::phy::{Device as _, TxToken as _};

    #[test]
    fn time_jumps_to_what_comes_first() {
        let faults = Faults {
            delay: Duration::from_millis(20),
            ..Faults::NONE
        };
        let mut world = World::new(Medium::Ip, 1500, 1, faults);
        let second = Duration::from_secs(1);
        let now = |world: &World| world.now().total_millis();
        world.pass([], second).unwrap();
        assert_eq!(now(&world), 1000);
        let sent = world.now();
        let mut near = world.link.end(Side::A);
        near.transmit(sent).unwrap().consume(1, |_| ());
        let soon = sent + Duration::from_millis(5).into();
        world.pass([None, Some(soon)], second).unwrap();
        assert_eq!(now(&world), 1005);
        assert!(!world.has_frame(Side::B));
        world.pass([None], second).unwrap();
        assert_eq!(now(&world), 1020);
        assert!(world.has_frame(Side::B) && !world.has_frame(Side::A));
    }

    #[test]
    fn who_spins_is_found() {
        let mut world = World::new(Medium::Ip, 1500, 1, Faults::NONE);
        let mut turns = 0;
        let busy = loop {
            match world.pass([Some(Instant::ZERO)], Duration::from_secs(1)) {
                Ok(()) => turns += 1,
                Err(busy) => break busy,
            }
        };
        assert_eq!((turns, busy.now), (TURNS_AT_ONE_INSTANT, Instant::ZERO));
    }
}
