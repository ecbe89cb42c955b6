//! A framed stream with an old passt at its other end.
//!
//! passt (2022 and 2023) sends data that it has prepared behind acknowledgements that are newer
//! than those in the data. smoltcp 0.14 drops a segment whose acknowledgement is older than the one
//! before, and with it the data, which passt sends again after two seconds. So [`Passt`] replaces
//! an old acknowledgement by the newest.

use std::io::{Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

use smoltcp::phy::{Device, DeviceCapabilities};
use smoltcp::time::Instant;
use smoltcp::wire::{IpAddress, TcpPacket, TcpSeqNumber};

use super::{FramedStream, RxToken, TxToken};
use crate::segment::{Segment, set_window, updated};

/// The number of connections that are remembered. One that is forgotten suffers no more than
/// delays.
const CONNECTIONS: usize = 256;

/// A [`FramedStream`] to passt, of any version.
///
/// passt of 2022 and 2023 sends acknowledgements out of order, which smoltcp 0.14 answers by
/// dropping the data that comes with them. This device replaces an old acknowledgement by the
/// newest one.
#[derive(Debug)]
pub struct Passt<S = UnixStream> {
    stream: FramedStream<S>,
    acknowledgements: Acknowledgements,
}

impl<S> Passt<S> {
    /// Wraps a stream that is connected to passt.
    #[must_use]
    pub fn new(stream: FramedStream<S>) -> Self {
        Self {
            stream,
            acknowledgements: Acknowledgements::new(),
        }
    }

    /// Returns the stream, with its counters and its error.
    #[must_use]
    pub const fn stream(&self) -> &FramedStream<S> {
        &self.stream
    }
}

impl<S: AsFd> AsFd for Passt<S> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

impl<S: Read + Write> Device for Passt<S> {
    type RxToken<'a>
        = RxToken<'a>
    where
        S: 'a;
    type TxToken<'a>
        = TxToken<'a, S>
    where
        S: 'a;

    fn receive(&mut self, _now: Instant) -> Option<(RxToken<'_>, TxToken<'_, S>)> {
        let (frame, tx) = self.stream.next()?;
        self.acknowledgements.renew(frame);
        Some((RxToken { frame }, tx))
    }

    fn transmit(&mut self, now: Instant) -> Option<TxToken<'_, S>> {
        self.stream.transmit(now)
    }

    fn capabilities(&self) -> DeviceCapabilities {
        self.stream.capabilities()
    }
}

/// The newest acknowledgement of each connection.
#[derive(Debug)]
struct Acknowledgements(Box<[Option<Acknowledgement>]>);

#[derive(Clone, Copy, Debug)]
struct Acknowledgement {
    /// The peer's address, its port and ours.
    connection: (IpAddress, u16, u16),
    number: TcpSeqNumber,
    /// The window that came with it.
    window: u16,
}

impl Acknowledgements {
    fn new() -> Self {
        Self(vec![None; CONNECTIONS].into())
    }

    /// Puts the newest acknowledgement into `frame`, if it holds a segment with an older one.
    fn renew(&mut self, frame: &mut [u8]) {
        let Some(found) = Segment::find(frame) else {
            return;
        };
        let mut segment = found.packet(frame);
        let connection = (found.source, segment.src_port(), segment.dst_port());
        let place = usize::from(connection.1 ^ connection.2) % CONNECTIONS;
        let newest = &mut self.0[place];
        if segment.syn() || segment.rst() || !segment.ack() {
            *newest = None;
            return;
        }
        match newest.filter(|newest| newest.connection == connection) {
            Some(newest) if segment.ack_number() < newest.number => {
                set_acknowledgement(&mut segment, newest.number);
                set_window(&mut segment, newest.window);
            }
            _ => {
                *newest = Some(Acknowledgement {
                    connection,
                    number: segment.ack_number(),
                    window: segment.window_len(),
                });
            }
        }
    }
}

fn set_acknowledgement(segment: &mut TcpPacket<&mut [u8]>, number: TcpSeqNumber) {
    let (old, new) = (segment.ack_number().0, number.0);
    let checksum = updated(segment.checksum(), (old >> 16) as u16, (new >> 16) as u16);
    let checksum = updated(checksum, old as u16, new as u16);
    segment.set_ack_number(number);
    segment.set_checksum(checksum);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::segment::tests::{IPV4, IPV6, acknowledging, frame};
    use smoltcp::wire::{TcpControl, TcpRepr};

    #[test]
    fn an_old_acknowledgement_is_replaced_by_the_newest() {
        // Across the point where numbers begin again.
        let newest = acknowledging(TcpControl::None, i32::MIN + 5, 700);
        let old = acknowledging(TcpControl::Psh, i32::MAX - 70_000, 900);
        let renewed = acknowledging(TcpControl::Psh, i32::MIN + 5, 700);
        for addresses in [IPV4, IPV6] {
            let mut known = Acknowledgements::new();
            let mut seen = |segment: &TcpRepr<'_>| {
                let mut frame = frame(segment, addresses);
                known.renew(&mut frame);
                frame
            };
            assert_eq!(seen(&old), frame(&old, addresses));
            assert_eq!(seen(&newest), frame(&newest, addresses));
            assert_eq!(seen(&old), frame(&renewed, addresses));
            assert_eq!(seen(&newest), frame(&newest, addresses));
        }
    }

    #[test]
    fn a_new_connection_begins_anew() {
        let mut known = Acknowledgements::new();
        let mut seen = |segment: &TcpRepr<'_>, addresses| {
            let mut frame = frame(segment, addresses);
            known.renew(&mut frame);
            frame
        };
        let newest = acknowledging(TcpControl::None, 2000, 700);
        let old = acknowledging(TcpControl::Psh, 1000, 900);
        for control in [TcpControl::Syn, TcpControl::Rst] {
            seen(&newest, IPV4);
            let first = acknowledging(control, 500, 900);
            assert_eq!(seen(&first, IPV4), frame(&first, IPV4));
            assert_eq!(seen(&old, IPV4), frame(&old, IPV4));
        }
        // Another connection in the same place: the first one is forgotten.
        seen(&newest, IPV4);
        assert_eq!(seen(&old, IPV6), frame(&old, IPV6));
        assert_eq!(seen(&old, IPV4), frame(&old, IPV4));
    }
}
