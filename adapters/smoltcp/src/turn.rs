//! Bounded turns of the smoltcp stack.

use core::time::Duration;

use linecho_core::Instant;
use smoltcp::config::IFACE_NEIGHBOR_CACHE_COUNT;
use smoltcp::iface::{Interface, PollResult, SocketSet};
use smoltcp::phy::{Device, RxToken};
use smoltcp::socket::{AnySocket, tcp};

use crate::arrival::{Arrival, Heard};
use crate::inject::{Frame, Sender};
use crate::time::{from_stack_time, stack_time};

/// The frames that [`ingress`] takes in before others get their turn: a flood of frames costs time,
/// but starves nobody.
pub(crate) const INGRESS_FRAMES: usize = 64;

/// The passes that [`egress`] makes over the sockets, each of which sends at most one segment in a
/// pass: enough for a full send buffer of 64 KiB.
const EGRESS_ROUNDS: usize = 64;

/// The time to the next attempt when the stack has something to send, and the device takes nothing.
pub(crate) const DEVICE_RETRY: Duration = Duration::from_millis(1);

/// The time of the next call.
///
/// The order is that of urgency, so that the next call is due at the `min` of several.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Wake {
    /// At once: there is more work than one turn does.
    Again,
    /// At this time, or when a frame arrives.
    At(Instant),
    /// On the next frame.
    Frame,
}

impl Wake {
    /// Returns how long to wait for a frame at most; `None` means without limit.
    #[must_use]
    pub fn timeout(self, now: Instant) -> Option<Duration> {
        match self {
            Self::Again => Some(Duration::ZERO),
            Self::At(at) => Some(at.saturating_duration_since(now)),
            Self::Frame => None,
        }
    }
}

impl From<Option<Instant>> for Wake {
    fn from(deadline: Option<Instant>) -> Self {
        deadline.map_or(Self::Frame, Self::At)
    }
}

/// Takes in the frames that wait in the device, at most 64 of them.
///
/// With it and [`egress`], a loop with several listeners or other sockets is: `ingress`, then each
/// listener's [`serve`](crate::Listener::serve) and what else uses the sockets, then `egress`.
pub fn ingress<D: Device + ?Sized>(
    now: Instant,
    iface: &mut Interface,
    device: &mut D,
    sockets: &mut SocketSet<'_>,
) -> Wake {
    take_in(&mut Heard::default(), now, iface, device, sockets)
}

/// Does what [`ingress`] does. A sender that sends several segments in a row, also in several
/// turns, costs nothing more than the frames.
pub(crate) fn take_in<D: Device + ?Sized>(
    heard: &mut Heard,
    now: Instant,
    iface: &mut Interface,
    device: &mut D,
    sockets: &mut SocketSet<'_>,
) -> Wake {
    let at = stack_time(now);
    iface.poll_maintenance(at);
    let capabilities = device.capabilities();
    let (mut told, mut wake) = (0, Wake::Again);
    for _ in 0..INGRESS_FRAMES {
        let Some((rx, tx)) = device.receive(at) else {
            wake = Wake::Frame;
            break;
        };
        let meta = rx.meta();
        rx.consume(|bytes| {
            let frame = Frame { bytes, meta };
            let arrival = Arrival::new(now, iface, &capabilities, frame, tx);
            told += usize::from(arrival.enter_guarded(heard, sockets));
        });
        if told == IFACE_NEIGHBOR_CACHE_COUNT {
            // The replies to them have to go first: the stack keeps no more addresses.
            break;
        }
    }
    heard.reports.answer(now, iface, device);
    wake
}

/// Sends what the sockets have to send, at most 64 segments for each, and returns when one of them
/// is next due: at once if a connection has ended here, since its listener has to know.
pub fn egress<D: Device + ?Sized>(
    now: Instant,
    iface: &mut Interface,
    device: &mut D,
    sockets: &mut SocketSet<'_>,
) -> Wake {
    let at = stack_time(now);
    let mut device = Sender::new(device);
    let before = connections(sockets);
    let mut wake = Wake::Again;
    for round in 0..EGRESS_ROUNDS {
        let sent = iface.poll_egress(at, &mut device, sockets) != PollResult::None;
        // Mostly one round sends all there is: asking is cheaper than another round. When it was
        // not enough, go on until nothing is sent.
        if sent && round > 0 {
            continue;
        }
        wake = match next_egress(now, iface, sockets) {
            Wake::Again if sent => continue,
            // Due, and yet nothing could be sent: the device is full. Turning at once would be a
            // busy loop, and for a link that is down an endless one.
            Wake::Again => Wake::At(now + DEVICE_RETRY),
            later => later,
        };
        break;
    }
    // Timeouts strike here, and RSTs leave, and an address that has gone ends connections.
    if connections(sockets) < before {
        return Wake::Again;
    }
    wake
}

/// Returns when one of the sockets is next due.
#[inline]
pub(crate) fn next_egress(now: Instant, iface: &mut Interface, sockets: &SocketSet<'_>) -> Wake {
    let at = stack_time(now);
    match iface.poll_at(at, sockets) {
        None => Wake::Frame,
        Some(due) if due > at => Wake::At(from_stack_time(due)),
        Some(_) => Wake::Again,
    }
}

fn connections(sockets: &SocketSet<'_>) -> usize {
    let mut connections = 0;
    for (_, socket) in sockets.iter() {
        if let Some(tcp) = tcp::Socket::downcast(socket) {
            connections += usize::from(tcp.remote_endpoint().is_some());
        }
    }
    connections
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_urgent_wake_is_the_least() {
        let (soon, late) = (
            Wake::At(Instant::from_millis(1)),
            Wake::At(Instant::from_millis(2)),
        );
        assert_eq!(Wake::Frame.min(late).min(soon), soon);
        assert_eq!(soon.min(Wake::Again), Wake::Again);
    }

    #[test]
    fn a_wake_says_how_long_to_wait() {
        let now = Instant::from_millis(5);
        let wait = |at| Wake::At(Instant::from_millis(at)).timeout(now);
        assert_eq!(wait(7), Some(Duration::from_millis(2)));
        assert_eq!(wait(3), Some(Duration::ZERO));
        assert_eq!(Wake::Again.timeout(now), Some(Duration::ZERO));
        assert_eq!(Wake::Frame.timeout(now), None);
    }
}
