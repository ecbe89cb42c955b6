//! The life of one slot: a socket that listens, holds a connection, closes it, and listens again.
//!
//! ```text
//!            SYN              accepted                session ended
//!  ┌──────┐     ┌───────────┐          ┌──────┐  in order   ┌─────────┐
//!  │ idle │ ──▶ │ half-open │ ───────▶ │ open │ ──────────▶ │ closing │
//!  └──────┘     └───────────┘          └──────┘             └─────────┘
//!   ▲ ▲  too long, or │                    │ by force            │ too long, TIME-WAIT
//!   │ └─── refused ───┘                    ▼                     ▼
//!   │                                 ┌─────────┐
//!   └──────────────────────────────── │ leaving │  the RST, or the last ACK, goes first
//!                                     └─────────┘
//! ```

use core::time::Duration;

use heapless::VecView;
use linecho_core::embedded_io::ErrorKind;
use linecho_core::polled::{self, Turn};
use linecho_core::{Instant, Reason, Session, Totals};
use smoltcp::socket::tcp;
use smoltcp::wire::{IpEndpoint, IpListenEndpoint};

use crate::question::{AskAt, Question};
use crate::socket::{self, Arrived, Socket, Stage};
use crate::{Event, Options};

/// How long the RST of an aborted connection is waited for, when the device or the neighbour cache
/// holds it back. After that the slot listens again without it.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(1);

/// What the slots of a listener have in common during one turn.
pub(crate) struct Shared<'p, 'a> {
    pub(crate) now: Instant,
    pub(crate) endpoint: IpListenEndpoint,
    pub(crate) options: &'p Options,
    /// New connections are wanted: the listener is not shutting down.
    pub(crate) accepting: bool,
    /// No slot listens: half-open and closing ones have less time.
    pub(crate) crowded: bool,
    /// Sessions wait for a line buffer.
    pub(crate) scarce: bool,
    /// The line buffers that no session holds.
    pub(crate) lines: &'p mut VecView<&'a mut [u8]>,
    pub(crate) totals: &'p mut Totals,
    /// The peer to ask after the turn: one at most, the others have to wait for the next.
    pub(crate) question: Option<Question>,
    pub(crate) on_event: &'p mut dyn FnMut(Event),
}

impl Shared<'_, '_> {
    /// When to ask a peer, if no byte comes or goes from now on.
    ///
    /// Later when it has something to acknowledge: it will, or a retransmission comes before that. And
    /// a peer that waits for silence to ask us itself shall find it.
    fn next_question(&self, tcp: &tcp::Socket<'_>) -> AskAt {
        let Some(interval) = self.options.keep_alive else {
            return AskAt::NEVER;
        };
        let at = self.now + interval;
        AskAt::not_before(if tcp.send_queue() == 0 {
            at
        } else {
            at + interval
        })
    }

    fn ask_if_due(&mut self, ask_at: &mut AskAt, tcp: &tcp::Socket<'_>) {
        if ask_at.instant().is_some_and(|at| at <= self.now) && self.question.is_none() {
            self.question = Question::about(tcp);
            *ask_at = self.next_question(tcp);
        }
    }
}

/// One connection, or the readiness to take one.
#[derive(Debug, Default)]
pub(crate) struct Slot<'a> {
    phase: Phase<'a>,
}

#[derive(Debug, Default)]
enum Phase<'a> {
    /// Listens, or will at its next turn.
    #[default]
    Idle,
    HalfOpen {
        since: Instant,
    },
    Open(Connection<'a>),
    Closing {
        /// When it last came nearer to its end.
        since: Instant,
        /// Bytes that the peer had not acknowledged then.
        unsent: usize,
        ask_at: AskAt,
    },
    /// The next turn is after an egress, and what had to go has gone, unless the RST is held back.
    Leaving {
        until: Instant,
    },
}

#[derive(Debug)]
struct Connection<'a> {
    session: Session<&'a mut [u8]>,
    peer: IpEndpoint,
    /// Bytes have arrived, and there was no line buffer for them.
    waits_for_line: bool,
    /// When the peer is asked whether it is still there, if no byte comes or goes until then.
    ask_at: AskAt,
}

impl<'a> Slot<'a> {
    /// Gives the slot, whose number is `number`, its turn.
    pub(crate) fn turn(
        &mut self,
        number: usize,
        tcp: &mut tcp::Socket<'_>,
        shared: &mut Shared<'_, 'a>,
    ) {
        match &mut self.phase {
            Phase::Idle => self.idle(number, tcp, shared),
            Phase::HalfOpen { since } => {
                let late = *since + half_open_limit(shared.options, shared.crowded) <= shared.now;
                match socket::stage(tcp) {
                    Stage::HalfOpen if late => self.listen(tcp, shared),
                    Stage::HalfOpen if shared.accepting => {}
                    // A refused SYN|ACK makes smoltcp listen again by itself, but with what the
                    // peer's SYN has changed: it is armed anew.
                    Stage::Listening => self.listen(tcp, shared),
                    _ => self.idle(number, tcp, shared),
                }
            }
            Phase::Open(connection) if connection.is_quiet(tcp, shared.now) => {
                shared.ask_if_due(&mut connection.ask_at, tcp);
            }
            Phase::Open(_) => self.serve(number, tcp, shared),
            Phase::Closing {
                since,
                unsent,
                ask_at,
            } => {
                socket::discard_input(tcp);
                let left = tcp.send_queue();
                if left < *unsent {
                    (*since, *unsent) = (shared.now, left);
                    *ask_at = shared.next_question(tcp);
                }
                let late = *since + close_limit(shared.options, shared.crowded) <= shared.now;
                match socket::stage(tcp) {
                    Stage::Open | Stage::Closing if late => self.abort(tcp, shared),
                    Stage::Open => {
                        socket::close(tcp);
                        shared.ask_if_due(ask_at, tcp);
                    }
                    Stage::Closing => shared.ask_if_due(ask_at, tcp),
                    Stage::TimeWait => self.leave(shared.now),
                    Stage::ResetPending => self.leave(shared.now + LEAVE_TIMEOUT),
                    _ => self.listen(tcp, shared),
                }
            }
            Phase::Leaving { until } => {
                if socket::stage(tcp) != Stage::ResetPending || *until <= shared.now {
                    self.listen(tcp, shared);
                }
            }
        }
    }

    /// Listens, and accepts: an established connection is served, also when the peer's data and
    /// FIN have already come.
    fn idle(&mut self, number: usize, tcp: &mut tcp::Socket<'_>, shared: &mut Shared<'_, 'a>) {
        // A SYN and its RST between two turns are seen by what they have turned off.
        let as_armed = tcp.timestamp_enabled() == shared.options.timestamps.is_some();
        match socket::stage(tcp) {
            Stage::Listening if shared.accepting && as_armed => {}
            Stage::HalfOpen if shared.accepting => {
                self.phase = Phase::HalfOpen { since: shared.now };
            }
            Stage::Open => match tcp.remote_endpoint() {
                Some(peer) if shared.accepting => self.open(number, peer, tcp, shared),
                _ => self.abort(tcp, shared),
            },
            Stage::HalfOpen | Stage::Closing => self.abort(tcp, shared),
            Stage::TimeWait => self.leave(shared.now),
            Stage::ResetPending => self.leave(shared.now + LEAVE_TIMEOUT),
            Stage::Free | Stage::Listening => self.listen(tcp, shared),
        }
    }

    fn open(
        &mut self,
        number: usize,
        peer: IpEndpoint,
        tcp: &mut tcp::Socket<'_>,
        shared: &mut Shared<'_, 'a>,
    ) {
        self.phase = Phase::Open(Connection {
            session: Session::new(&mut [], shared.options.session, shared.now),
            peer,
            waits_for_line: false,
            ask_at: shared.next_question(tcp),
        });
        shared.totals.open();
        (shared.on_event)(Event::Opened { slot: number, peer });
        self.serve(number, tcp, shared);
    }

    /// Gives the session its turn, and closes the connection when it has ended.
    fn serve(&mut self, number: usize, tcp: &mut tcp::Socket<'_>, shared: &mut Shared<'_, 'a>) {
        let Phase::Open(connection) = &mut self.phase else {
            return;
        };
        let before = connection.session.counters();
        let ended = connection.turn(tcp, shared);
        if connection.session.counters() != before {
            connection.ask_at = shared.next_question(tcp);
        }
        let Some(reason) = ended else {
            return shared.ask_if_due(&mut connection.ask_at, tcp);
        };
        let (peer, ask_at) = (connection.peer, connection.ask_at);
        let counters = connection.session.counters();
        shared.totals.close(reason, &counters);
        (shared.on_event)(Event::Closed {
            slot: number,
            peer,
            reason,
            counters,
        });
        match reason {
            Reason::PeerClosed | Reason::LineTooLong | Reason::Shutdown => {
                // The acknowledgement of the peer's FIN shall not wait: the slot is used again after it.
                tcp.set_ack_delay(None);
                socket::close(tcp);
                self.phase = Phase::Closing {
                    since: shared.now,
                    unsent: tcp.send_queue(),
                    ask_at,
                };
            }
            Reason::Idle | Reason::WriteStalled | Reason::Reset(_) => self.abort(tcp, shared),
        }
    }

    /// Resets the connection, if there still is one. The slot listens when the RST has left with the
    /// next egress: listening at once would cancel it.
    fn abort(&mut self, tcp: &mut tcp::Socket<'_>, shared: &Shared<'_, 'a>) {
        tcp.abort();
        match socket::stage(tcp) {
            Stage::ResetPending => self.leave(shared.now + LEAVE_TIMEOUT),
            _ => self.listen(tcp, shared),
        }
    }

    fn leave(&mut self, until: Instant) {
        self.phase = Phase::Leaving { until };
    }

    /// Listens, or not any more when the listener shuts down.
    fn listen(&mut self, tcp: &mut tcp::Socket<'_>, shared: &Shared<'_, 'a>) {
        self.phase = Phase::Idle;
        // Also for the last time: an RST that could not leave is forgotten by that.
        socket::arm(tcp, shared.endpoint, shared.options);
        if !shared.accepting {
            tcp.abort();
        }
    }

    /// When the slot wants its next turn, whatever else happens.
    pub(crate) fn deadline(&self, options: &Options, crowded: bool) -> Option<Instant> {
        match &self.phase {
            Phase::Idle => None,
            Phase::HalfOpen { since } => Some(*since + half_open_limit(options, crowded)),
            Phase::Open(connection) => {
                // While it waits for a line buffer, the delay is ours.
                let session = connection.session.deadline();
                let session = session.filter(|_| !connection.waits_for_line);
                earlier(session, connection.ask_at.instant())
            }
            Phase::Closing { since, ask_at, .. } => earlier(
                Some(*since + close_limit(options, crowded)),
                ask_at.instant(),
            ),
            Phase::Leaving { until } => Some(*until),
        }
    }

    pub(crate) fn is_idle(&self) -> bool {
        matches!(self.phase, Phase::Idle)
    }

    pub(crate) fn is_open(&self) -> bool {
        matches!(self.phase, Phase::Open(_))
    }

    /// Half-open or closing: it has less time when slots are short.
    pub(crate) fn is_waited_for(&self) -> bool {
        matches!(self.phase, Phase::HalfOpen { .. } | Phase::Closing { .. })
    }

    pub(crate) fn waits_for_line(&self) -> bool {
        matches!(&self.phase, Phase::Open(connection) if connection.waits_for_line)
    }

    /// Asks its session to finish.
    pub(crate) fn shutdown(&mut self) {
        if let Phase::Open(connection) = &mut self.phase {
            connection.session.shutdown();
        }
    }
}

impl<'a> Connection<'a> {
    /// Whether there is nothing to do: most connections are quiet most of the time, and shall cost
    /// little.
    fn is_quiet(&self, tcp: &tcp::Socket<'_>, now: Instant) -> bool {
        let session = &self.session;
        session.capacity() == 0
            && socket::arrived(tcp) == Arrived::Nothing
            && !session.is_shutting_down()
            && session.deadline().is_none_or(|deadline| deadline > now)
    }

    /// Gives the session its turn: why it ended, if it did. It has a line buffer while there is
    /// something to hold.
    fn turn(&mut self, tcp: &mut tcp::Socket<'_>, shared: &mut Shared<'_, 'a>) -> Option<Reason> {
        let session = &mut self.session;
        self.waits_for_line = false;
        if session.capacity() == 0 {
            match socket::arrived(tcp) {
                Arrived::Bytes => match shared.lines.pop() {
                    Some(line) => {
                        let _empty = session.replace_storage(line);
                    }
                    // Nothing is lost: the bytes stay in the socket, and TCP slows the peer down.
                    // The delay is ours, so the session's deadlines rest.
                    None => {
                        self.waits_for_line = true;
                        return None;
                    }
                },
                Arrived::Nothing if !session.is_shutting_down() => {
                    session.tick(shared.now);
                }
                Arrived::Nothing | Arrived::End => session.end_of_input(),
                Arrived::Reset => session.end(Reason::Reset(ErrorKind::ConnectionReset)),
            }
            if session.capacity() == 0 {
                return session.ended();
            }
        }
        // While others wait for a line buffer, this session takes whole lines, so that it can let
        // go of its own. A session that is to finish must see all there is.
        let mut socket = if shared.scarce && !session.is_shutting_down() {
            Socket::to_newline(tcp)
        } else {
            Socket::new(tcp)
        };
        // The budget is what the socket holds: nothing more arrives during the turn.
        let turn = polled::serve(session, &mut socket, shared.now, usize::MAX);
        if session.held() == 0
            && session.capacity() > 0
            && let Ok(line) = session.replace_storage(&mut [])
        {
            // There is room: it came from there.
            let _ = shared.lines.push(line);
            // When it stopped after a line, it goes on after those that wait already.
            self.waits_for_line = socket::arrived(tcp) == Arrived::Bytes;
        }
        match turn {
            Turn::Ended(reason) => Some(reason),
            Turn::Again | Turn::Wait { .. } => None,
        }
    }
}

/// The earlier of two deadlines that there may be.
pub(crate) fn earlier(a: Option<Instant>, b: Option<Instant>) -> Option<Instant> {
    a.into_iter().chain(b).min()
}

fn half_open_limit(options: &Options, crowded: bool) -> Duration {
    limit(options.handshake_timeout, crowded)
}

fn close_limit(options: &Options, crowded: bool) -> Duration {
    limit(options.close_timeout, crowded)
}

fn limit(when_crowded: Duration, crowded: bool) -> Duration {
    if crowded {
        when_crowded
    } else {
        Options::PATIENCE.max(when_crowded)
    }
}
