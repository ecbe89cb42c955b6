//! What makes smoltcp get along with passt, as its versions of 2022 and 2023 are.
//!
//! passt sends data that it has prepared behind acknowledgements that are newer than those in the data.
//! smoltcp 0.14 drops a segment whose acknowledgement is older than the one before, and with it the data,
//! which passt sends again after two seconds. Therefore an old acknowledgement is replaced by the newest.

use smoltcp::wire::{IpAddress, TcpPacket, TcpSeqNumber};

use crate::window::{set_window, updated, with_segment};

/// How many connections are remembered. One that is forgotten suffers nothing worse than delays.
const CONNECTIONS: usize = 256;

/// The newest acknowledgement of each connection.
#[derive(Debug)]
pub(super) struct Acknowledgements(Box<[Option<Acknowledgement>]>);

#[derive(Clone, Copy, Debug)]
struct Acknowledgement {
    /// The peer's address, its port and ours.
    connection: (IpAddress, u16, u16),
    number: TcpSeqNumber,
    /// The window that came with it.
    window: u16,
}

impl Acknowledgements {
    pub(super) fn new() -> Self {
        Self(vec![None; CONNECTIONS].into())
    }

    /// Puts the newest acknowledgement into `frame`, if it holds a segment with an older one.
    pub(super) fn renew(&mut self, frame: &mut [u8]) {
        with_segment(frame, |peer, segment| {
            let connection = (peer, segment.src_port(), segment.dst_port());
            let place = usize::from(connection.1 ^ connection.2) % CONNECTIONS;
            let newest = &mut self.0[place];
            if segment.syn() || segment.rst() || !segment.ack() {
                *newest = None;
                return;
            }
            match newest.filter(|newest| newest.connection == connection) {
                Some(newest) if segment.ack_number() < newest.number => {
                    set_acknowledgement(segment, newest.number);
                    set_window(segment, newest.window);
                }
                _ => {
                    *newest = Some(Acknowledgement {
                        connection,
                        number: segment.ack_number(),
                        window: segment.window_len(),
                    });
                }
            }
        });
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
    use crate::window::tests::{IPV4, IPV6, acknowledging, frame};
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
