//! Hardware addresses that hosts have announced in the last minute (gratuitous ARP).

use core::time::Duration;

use heapless::Vec;
use linecho_core::Instant;
use smoltcp::wire::IpAddress;

use crate::segment::Hardware;

/// The number of announcements that are remembered.
const PLACES: usize = 16;

/// The time for which they are remembered: as long as the stack's neighbour cache keeps an entry. A
/// peer that is still there sends something within it, if only the answer to a keep-alive probe.
const LIFETIME: Duration = Duration::from_secs(60);

/// The latest announcements. Each is newer than the address in the peer's last frame, and replaces
/// it.
///
/// To remember one costs the same however many connections there are, since no slot is visited: a
/// slot looks here when it has to tell the stack the hardware address of its peer.
#[derive(Debug)]
pub(super) struct Announced {
    /// From the oldest to the newest.
    latest: Vec<(IpAddress, Hardware), PLACES>,
    /// They are remembered until then.
    pub(super) until: Instant,
}

impl Announced {
    pub(super) const NOTHING: Self = Self {
        latest: Vec::new(),
        until: Instant::ZERO,
    };

    /// Remembers that `address` is at `hardware`.
    pub(super) fn note(&mut self, now: Instant, address: IpAddress, hardware: Hardware) {
        if now >= self.until {
            self.latest.clear();
        }
        self.until = now + LIFETIME;
        self.forget(address);
        if self.latest.is_full() {
            self.latest.remove(0);
        }
        // There is room.
        let _ = self.latest.push((address, hardware));
    }

    /// Forgets what was announced for `address`: a frame has come from it since.
    pub(super) fn forget(&mut self, address: IpAddress) {
        self.latest.retain(|(announced, _)| *announced != address);
    }

    /// Returns the hardware address that was announced for `address`.
    pub(super) fn get(&self, now: Instant, address: IpAddress) -> Option<Hardware> {
        let latest = if now < self.until {
            &self.latest[..]
        } else {
            &[]
        };
        let found = latest.iter().find(|(announced, _)| *announced == address);
        found.map(|&(_, hardware)| hardware)
    }
}

#[cfg(test)]
#[cfg(feature = "proto-ipv4")]
mod tests {
    use super::*;

    const NOW: Instant = Instant::from_millis(1000);

    fn address(number: u8) -> IpAddress {
        IpAddress::v4(10, 0, 0, number)
    }

    #[test]
    fn the_newest_announcement_counts() {
        let mut announced = Announced::NOTHING;
        assert_eq!(announced.get(NOW, address(1)), None);
        announced.note(NOW, address(1), [1; 6]);
        announced.note(NOW, address(2), [2; 6]);
        announced.note(NOW, address(1), [3; 6]);
        assert_eq!(announced.get(NOW, address(1)), Some([3; 6]));
        assert_eq!(announced.get(NOW, address(2)), Some([2; 6]));
        announced.forget(address(1));
        assert_eq!(announced.get(NOW, address(1)), None);
    }

    #[test]
    fn an_announcement_counts_for_a_minute() {
        let mut announced = Announced::NOTHING;
        announced.note(NOW, address(1), [1; 6]);
        assert_eq!(announced.get(NOW + LIFETIME, address(1)), None);
        announced.note(NOW + LIFETIME, address(2), [2; 6]);
        assert_eq!(announced.get(NOW + LIFETIME, address(1)), None);
    }

    #[test]
    fn a_flood_of_announcements_makes_it_forget_the_oldest() {
        let mut announced = Announced::NOTHING;
        (1..=100).for_each(|number| announced.note(NOW, address(number), [number; 6]));
        assert_eq!(announced.get(NOW, address(100 - PLACES as u8)), None);
        for number in 101 - PLACES as u8..=100 {
            assert_eq!(announced.get(NOW, address(number)), Some([number; 6]));
        }
    }
}
