//! Half-open connections, and the numbers that they began with, which smoltcp does not show.

use heapless::Vec;
use smoltcp::iface::SocketSet;
use smoltcp::wire::TcpSeqNumber;

use crate::ack::Ends;
use crate::lifecycle::{Stage, stage, tcp_sockets};

/// The most that are remembered: with another one, the oldest is forgotten.
const PLACES: usize = 16;

/// The ends of half-open connections, each with the number of its SYN, oldest first.
#[derive(Debug, Default)]
pub(crate) struct HalfOpens(Vec<(Ends, TcpSeqNumber), PLACES>);

impl HalfOpens {
    /// Remembers that a SYN with the number `irs` has come, if it has made a connection half-open.
    pub(crate) fn note(&mut self, ends: Ends, irs: TcpSeqNumber, sockets: &mut SocketSet<'_>) {
        self.0
            .retain(|(other, _)| *other != ends && is_half_open(*other, sockets));
        if is_half_open(ends, sockets) {
            if self.0.is_full() {
                self.0.remove(0);
            }
            // There is room.
            let _ = self.0.push((ends, irs));
        }
    }

    /// Returns the number that the half-open connection of `ends` began with.
    pub(crate) fn irs(&self, ends: Ends, sockets: &mut SocketSet<'_>) -> Option<TcpSeqNumber> {
        let found = self.0.iter().find(|(other, _)| *other == ends)?;
        is_half_open(ends, sockets).then_some(found.1)
    }
}

fn is_half_open(ends: Ends, sockets: &mut SocketSet<'_>) -> bool {
    tcp_sockets(sockets).any(|tcp| stage(tcp) == Stage::HalfOpen && Ends::of(tcp) == Some(ends))
}
