//! A session on a socket, and the line buffer that it borrows.

use linecho_core::polled::{self, Turn as Drive};
use linecho_core::{Instant, Reason, Session};
use smoltcp::socket::tcp;
use smoltcp::wire::IpEndpoint;

use crate::keep_alive::ProbeAt;
use crate::lifecycle::{Arrived, arrived};
use crate::options::Options;
use crate::service::Turn;
use crate::socket::Socket;
use crate::time::earlier;

#[derive(Debug)]
pub(crate) struct Connection<'a> {
    pub(crate) session: Session<&'a mut [u8]>,
    pub(crate) peer: IpEndpoint,
    /// Bytes have arrived, and there was no line buffer for them.
    pub(crate) waits_for_line: bool,
    /// The time of the next probe, if no byte comes or goes until then.
    pub(crate) probe_at: ProbeAt,
}

impl<'a> Connection<'a> {
    /// Starts a session without a line buffer.
    pub(crate) fn new(
        peer: IpEndpoint,
        options: &Options,
        now: Instant,
        probe_at: ProbeAt,
    ) -> Self {
        Self {
            session: Session::new(&mut [], options.session, now),
            peer,
            waits_for_line: false,
            probe_at,
        }
    }

    /// Returns whether there is nothing to do: most connections are quiet most of the time, and
    /// cost little then.
    pub(crate) fn is_quiet(&self, tcp: &tcp::Socket<'_>, now: Instant) -> bool {
        let session = &self.session;
        session.capacity() == 0
            && arrived(tcp) == Arrived::Nothing
            && !session.is_shutting_down()
            && session.deadline().is_none_or(|deadline| deadline > now)
    }

    /// Gives the session its turn, and returns why it ended, if it did. It has a line buffer while
    /// there is something to hold.
    pub(crate) fn turn(
        &mut self,
        tcp: &mut tcp::Socket<'_>,
        turn: &mut Turn<'_, 'a>,
    ) -> Option<Reason> {
        let session = &mut self.session;
        let has_waited = core::mem::take(&mut self.waits_for_line);
        if session.capacity() == 0 {
            match arrived(tcp) {
                Arrived::Bytes => match turn.service.lines.pop() {
                    Some(line) => {
                        let _empty = session.replace_storage(line);
                        if has_waited {
                            session.restart_deadlines(turn.now);
                        }
                    }
                    // Nothing is lost: the bytes stay in the socket, and TCP slows the peer down.
                    // The delay is ours, so the session's deadlines rest.
                    None => {
                        self.waits_for_line = true;
                        return None;
                    }
                },
                Arrived::Nothing if !session.is_shutting_down() => {
                    session.tick(turn.now);
                }
                Arrived::Nothing | Arrived::End => session.end_of_input(),
                Arrived::Reset => session.end(Reason::Reset),
            }
            if session.capacity() == 0 {
                return session.ended();
            }
        }
        // What the socket holds, and the end behind it: nothing more arrives during the turn.
        let budget = tcp.recv_queue().saturating_add(1);
        // While others wait for a line buffer, this session takes whole lines, so that it can let
        // go of its own. A session that is to finish must see all there is.
        let mut socket = if turn.line_wanted && !session.is_shutting_down() {
            Socket::to_newline(tcp)
        } else {
            Socket::new(tcp)
        };
        let driven = polled::serve(session, &mut socket, turn.now, budget);
        if session.held() == 0
            && let Ok(line) = session.replace_storage(&mut [])
        {
            // There is room for it in the pool that it came from.
            let _ = turn.service.lines.push(line);
            // Where more has arrived, the session queues behind those that wait already.
            self.waits_for_line = arrived(tcp) == Arrived::Bytes;
        }
        match driven {
            Drive::Ended(reason) => Some(reason),
            Drive::Again | Drive::Wait { .. } => None,
        }
    }

    /// Returns when the session or a probe is due.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        // While the session waits for a line buffer, the delay is ours.
        let session = self.session.deadline().filter(|_| !self.waits_for_line);
        earlier(session, self.probe_at.instant())
    }
}
