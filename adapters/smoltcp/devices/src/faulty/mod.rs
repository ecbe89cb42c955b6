//! A link in memory, in virtual time, that loses, delays, doubles, reorders and damages frames.
//!
//! The same seed, faults and frames give the same fate to each frame, on every machine and in every
//! version of this crate unless the changelog says otherwise. The caller passes the time to the
//! stack: a [`VirtualClock`] jumps to the [next arrival](FaultyLink::next_arrival).
//!
//! ```
//! use linecho_devices::faulty::{FaultyLink, Faults, Side};
//! use smoltcp::phy::{Device, Medium, TxToken};
//! use core::time::Duration;
//! use smoltcp::time::Instant;
//!
//! let faults = Faults { delay: Duration::from_millis(20), ..Faults::NONE };
//! let mut link = FaultyLink::new(Medium::Ip, 1500, 1, faults);
//! let mut near = link.end(Side::A);
//! near.transmit(Instant::ZERO).unwrap().consume(3, |frame| frame.copy_from_slice(b"abc"));
//!
//! assert!(link.end(Side::B).receive(Instant::ZERO).is_none());
//! assert_eq!(link.next_arrival(), Some(Instant::from_millis(20)));
//! assert!(link.end(Side::B).receive(Instant::from_millis(20)).is_some());
//! ```

mod clock;
mod lane;
mod loopback;
mod random;
#[cfg(test)]
mod tests;

use core::time::Duration;

pub use clock::{Busy, VirtualClock};
use lane::Lane;
pub use loopback::FaultyLoopback;
use smoltcp::phy::{self, Device, DeviceCapabilities, Medium};
use smoltcp::time::Instant;

/// The faults of one direction of a link. Chances are out of 1,000.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Faults {
    /// The time that each frame is under way.
    pub delay: Duration,
    /// The most that a frame takes longer than `delay`, evenly distributed. Frames that follow each
    /// other more closely than this change places.
    pub jitter: Duration,
    /// The chance that a frame is lost.
    pub loss_permille: u16,
    /// The chance that a frame arrives twice.
    pub duplicate_permille: u16,
    /// The chance that a frame is held back by `hold_back`, so that later ones overtake it.
    pub reorder_permille: u16,
    /// The time by which a frame that is held back takes longer.
    pub hold_back: Duration,
    /// The chance that a frame arrives with one bit flipped, anywhere in it.
    pub corrupt_permille: u16,
    /// The rate at which frames enter the link, in bytes per second; 0: at once.
    pub bytes_per_second: u64,
    /// The most frames that may be under way or wait to enter; what is sent beyond that is lost.
    pub queue_frames: usize,
}

impl Faults {
    /// A link that is perfect but for its queue of 1,024 frames.
    pub const NONE: Self = Self {
        delay: Duration::ZERO,
        jitter: Duration::ZERO,
        loss_permille: 0,
        duplicate_permille: 0,
        reorder_permille: 0,
        hold_back: Duration::from_millis(5),
        corrupt_permille: 0,
        bytes_per_second: 0,
        queue_frames: 1024,
    };
}

impl Default for Faults {
    fn default() -> Self {
        Self::NONE
    }
}

/// The fates of the frames of one direction. At any time
/// `sent + duplicated == delivered + lost + overflowed + too_long + under way`.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counters {
    /// Frames that the stack has sent.
    pub sent: u64,
    /// Frames that the stack at the other end has taken.
    pub delivered: u64,
    /// Frames lost by chance.
    pub lost: u64,
    /// Second copies of a frame.
    pub duplicated: u64,
    /// Frames held back so that others could overtake them.
    pub held_back: u64,
    /// Frames with a flipped bit.
    pub corrupted: u64,
    /// Frames lost since the queue was full.
    pub overflowed: u64,
    /// Frames lost since they were longer than the MTU.
    pub too_long: u64,
}

/// One of the two ends of a [`FaultyLink`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// One end.
    A,
    /// The other.
    B,
}

impl Side {
    const fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }
}

/// A link between two stacks.
///
/// The link owns the frames under way, and lends its ends:
/// `iface.poll(now, &mut link.end(Side::A), ..)`.
///
/// With [`Medium::Ethernet`], a flipped bit in an ARP packet is noticed by nobody (it has no
/// checksum), and the wrong address stays for a minute: tests with corruption are better off with
/// [`Medium::Ip`].
#[derive(Debug)]
pub struct FaultyLink {
    medium: Medium,
    mtu: usize,
    /// The frames that A sends, and those that B sends.
    lanes: [Lane; 2],
    /// The frame that a stack is looking at.
    arrived: Vec<u8>,
}

impl FaultyLink {
    /// Makes a link with the same `faults` in both directions. `mtu` is that of smoltcp: bytes of a
    /// frame, with its Ethernet header where `medium` has one.
    #[must_use]
    pub fn new(medium: Medium, mtu: usize, seed: u64, faults: Faults) -> Self {
        let lanes = [
            Lane::new(mtu, seed, 0, faults),
            Lane::new(mtu, seed, 1, faults),
        ];
        Self {
            medium,
            mtu,
            lanes,
            arrived: Vec::new(),
        }
    }

    /// Lends the device at one end.
    pub fn end(&mut self, side: Side) -> End<'_> {
        End { link: self, side }
    }

    /// Changes what happens to the frames that `from` will send. A `loss_permille` of 1,000 cuts
    /// the line in that direction. Frames under way arrive as planned.
    pub fn set_faults(&mut self, from: Side, faults: Faults) {
        self.lanes[from as usize].faults = faults;
    }

    /// Returns the fates of the frames that `from` has sent.
    #[must_use]
    pub fn counters(&self, from: Side) -> Counters {
        self.lanes[from as usize].counters
    }

    /// Returns the time at which the next frame arrives, at either end. `None`: nothing is under
    /// way.
    #[must_use]
    pub fn next_arrival(&self) -> Option<Instant> {
        self.lanes.iter().filter_map(Lane::next_arrival).min()
    }

    /// Returns the time at which the next frame arrives for `to`. `None`: none is under way there.
    #[must_use]
    pub fn next_arrival_for(&self, to: Side) -> Option<Instant> {
        self.lanes[to.other() as usize].next_arrival()
    }

    /// Returns the number of frames under way, in both directions.
    #[must_use]
    pub fn under_way(&self) -> usize {
        self.lanes.iter().map(Lane::under_way).sum()
    }
}

/// The device at one end of a [`FaultyLink`].
#[derive(Debug)]
pub struct End<'link> {
    link: &'link mut FaultyLink,
    side: Side,
}

impl Device for End<'_> {
    type RxToken<'a>
        = RxToken<'a>
    where
        Self: 'a;
    type TxToken<'a>
        = TxToken<'a>
    where
        Self: 'a;

    fn receive(&mut self, now: Instant) -> Option<(RxToken<'_>, TxToken<'_>)> {
        let FaultyLink { lanes, arrived, .. } = &mut *self.link;
        lanes[self.side.other() as usize].receive(now, arrived)?;
        let lane = &mut lanes[self.side as usize];
        Some((RxToken { frame: arrived }, TxToken { lane, now }))
    }

    fn transmit(&mut self, now: Instant) -> Option<TxToken<'_>> {
        Some(TxToken {
            lane: &mut self.link.lanes[self.side as usize],
            now,
        })
    }

    fn capabilities(&self) -> DeviceCapabilities {
        capabilities(self.link.medium, self.link.mtu)
    }
}

/// Checksums are left at smoltcp's default, which fills in and verifies all of them: a flipped bit
/// must not get through.
fn capabilities(medium: Medium, mtu: usize) -> DeviceCapabilities {
    let mut capabilities = DeviceCapabilities::default();
    capabilities.medium = medium;
    capabilities.max_transmission_unit = mtu;
    capabilities
}

/// A frame that has arrived.
pub struct RxToken<'a> {
    frame: &'a [u8],
}

impl phy::RxToken for RxToken<'_> {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(self.frame)
    }
}

/// Room for a frame to send.
pub struct TxToken<'a> {
    lane: &'a mut Lane,
    now: Instant,
}

impl phy::TxToken for TxToken<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let mut frame = self.lane.buffer(len);
        let result = f(&mut frame);
        self.lane.send(frame, self.now);
        result
    }
}
