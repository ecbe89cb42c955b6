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

use linecho_core::{Counters, Instant};
use smoltcp::socket::tcp::{self, State};
use smoltcp::wire::IpEndpoint;

use crate::connection::Connection;
use crate::event::Event;
use crate::keep_alive::ProbeAt;
use crate::lifecycle::{self, Stage, stage};
use crate::options::Options;
use crate::service::{ServiceView, Turn};
use crate::time::earlier;
use crate::turn::DEVICE_RETRY;

/// The time that the RST of an aborted connection has, when the device or the neighbour cache holds
/// it back. After that the slot listens again without it.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(1);

/// One connection, or a socket that listens for one.
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
        /// The time of its last progress towards the end.
        since: Instant,
        /// Bytes that the peer had not acknowledged then.
        unsent: usize,
        probe_at: ProbeAt,
    },
    /// The next turn is after an egress, and what had to go has gone, unless the RST is held back.
    Leaving {
        until: Instant,
    },
}

impl<'a> Slot<'a> {
    /// Gives the slot, whose number is `number`, its turn.
    pub(crate) fn turn(
        &mut self,
        number: usize,
        tcp: &mut tcp::Socket<'_>,
        turn: &mut Turn<'_, 'a>,
    ) {
        match &mut self.phase {
            Phase::Idle => self.idle(number, tcp, turn),
            Phase::HalfOpen { since } => {
                let late = half_open_until(*since, &turn.service.options, turn.full) <= turn.now;
                match stage(tcp) {
                    Stage::HalfOpen if late => self.listen(tcp, turn),
                    Stage::HalfOpen if turn.service.accepting => {}
                    // A refused SYN|ACK makes smoltcp listen again by itself, but with what the
                    // peer's SYN has changed: it is armed anew, too.
                    _ => self.idle(number, tcp, turn),
                }
            }
            Phase::Open(connection) if connection.is_quiet(tcp, turn.now) => {
                turn.probe_if_due(number, &mut connection.probe_at, tcp);
            }
            Phase::Open(_) => self.serve(number, tcp, turn),
            Phase::Closing {
                since,
                unsent,
                probe_at,
            } => {
                lifecycle::discard_input(tcp);
                let left = tcp.send_queue();
                if left < *unsent {
                    (*since, *unsent) = (turn.now, left);
                    *probe_at = turn.next_probe(tcp);
                }
                let late = closing_until(*since, &turn.service.options, turn.full) <= turn.now;
                match stage(tcp) {
                    Stage::Open | Stage::Closing if late => self.abort(tcp, turn),
                    Stage::Open => {
                        lifecycle::close(tcp);
                        turn.probe_if_due(number, probe_at, tcp);
                    }
                    Stage::Closing => turn.probe_if_due(number, probe_at, tcp),
                    _ => self.idle(number, tcp, turn),
                }
            }
            Phase::Leaving { until } => match stage(tcp) {
                Stage::ResetPending if *until > turn.now => {}
                // Another socket has come in the place of the one that left.
                Stage::HalfOpen | Stage::Open => self.idle(number, tcp, turn),
                _ => self.listen(tcp, turn),
            },
        }
    }

    /// Returns `true` if it listens as it should, so that a turn would change nothing.
    pub(crate) fn rests(&self, tcp: &tcp::Socket<'_>, service: &ServiceView<'_>) -> bool {
        // A SYN and its RST between two turns leave a trace: timestamps that are off.
        self.is_idle()
            && tcp.state() == State::Listen
            && service.accepting
            && tcp.timestamp_enabled() == service.options.timestamps.is_some()
    }

    /// Listens, and accepts: an established connection is served, also when the peer's data and
    /// FIN have already come.
    fn idle(&mut self, number: usize, tcp: &mut tcp::Socket<'_>, turn: &mut Turn<'_, 'a>) {
        if self.rests(tcp, turn.service) {
            return;
        }
        match stage(tcp) {
            Stage::HalfOpen if turn.service.accepting => {
                self.phase = Phase::HalfOpen { since: turn.now };
            }
            Stage::Open => match tcp.remote_endpoint() {
                Some(peer) if turn.service.accepting => self.open(number, peer, tcp, turn),
                _ => self.abort(tcp, turn),
            },
            Stage::HalfOpen | Stage::Closing => self.abort(tcp, turn),
            Stage::TimeWait => self.leave(turn.now),
            Stage::ResetPending => self.leave(turn.now + LEAVE_TIMEOUT),
            Stage::Free | Stage::Listening => self.listen(tcp, turn),
        }
    }

    fn open(
        &mut self,
        number: usize,
        peer: IpEndpoint,
        tcp: &mut tcp::Socket<'_>,
        turn: &mut Turn<'_, 'a>,
    ) {
        let probe_at = turn.next_probe(tcp);
        let connection = Connection::new(peer, &turn.service.options, turn.now, probe_at);
        self.phase = Phase::Open(connection);
        turn.service.totals.open();
        (turn.on_event)(Event::Opened { slot: number, peer });
        self.serve(number, tcp, turn);
    }

    /// Gives the session its turn, and closes the connection when it has ended.
    fn serve(&mut self, number: usize, tcp: &mut tcp::Socket<'_>, turn: &mut Turn<'_, 'a>) {
        let Phase::Open(connection) = &mut self.phase else {
            return;
        };
        let before = moved(&connection.session.counters());
        let ended = connection.turn(tcp, turn);
        if moved(&connection.session.counters()) != before {
            connection.probe_at = turn.next_probe(tcp);
        }
        let Some(reason) = ended else {
            return turn.probe_if_due(number, &mut connection.probe_at, tcp);
        };
        let (peer, probe_at) = (connection.peer, connection.probe_at);
        let counters = connection.session.counters();
        turn.service.totals.close(reason, &counters);
        (turn.on_event)(Event::Closed {
            slot: number,
            peer,
            reason,
            counters,
        });
        if reason.is_orderly() {
            // The peer's FIN is acknowledged at once: the slot is used again after it.
            tcp.set_ack_delay(None);
            lifecycle::close(tcp);
            self.phase = Phase::Closing {
                since: turn.now,
                unsent: tcp.send_queue(),
                probe_at,
            };
        } else {
            self.abort(tcp, turn);
        }
    }

    /// Resets the connection, if there still is one. The slot listens when the RST has left with
    /// the next egress: listening at once would cancel it.
    fn abort(&mut self, tcp: &mut tcp::Socket<'_>, turn: &Turn<'_, 'a>) {
        tcp.abort();
        match stage(tcp) {
            Stage::ResetPending => self.leave(turn.now + LEAVE_TIMEOUT),
            _ => self.listen(tcp, turn),
        }
    }

    fn leave(&mut self, until: Instant) {
        self.phase = Phase::Leaving { until };
    }

    /// Listens, or not any more when the listener shuts down.
    fn listen(&mut self, tcp: &mut tcp::Socket<'_>, turn: &Turn<'_, 'a>) {
        self.phase = Phase::Idle;
        // Also when shutting down: this drops an RST that could not leave.
        lifecycle::arm(tcp, turn.service.endpoint, &turn.service.options);
        if !turn.service.accepting {
            tcp.abort();
        }
    }

    /// Returns when the slot is next due for a turn.
    #[inline]
    pub(crate) fn deadline(&self, options: &Options, full: bool) -> Option<Instant> {
        match &self.phase {
            Phase::Idle => None,
            Phase::HalfOpen { since } => Some(half_open_until(*since, options, full)),
            Phase::Open(connection) => connection.deadline(),
            Phase::Closing {
                since, probe_at, ..
            } => earlier(
                Some(closing_until(*since, options, full)),
                probe_at.instant(),
            ),
            Phase::Leaving { until } => Some(*until),
        }
    }

    pub(crate) fn is_idle(&self) -> bool {
        matches!(self.phase, Phase::Idle)
    }

    /// Returns `true` if it is half-open or closing, and has less time when no slot listens.
    pub(crate) fn is_transient(&self) -> bool {
        matches!(self.phase, Phase::HalfOpen { .. } | Phase::Closing { .. })
    }

    pub(crate) fn waits_for_line(&self) -> bool {
        matches!(&self.phase, Phase::Open(connection) if connection.waits_for_line)
    }

    /// Keeps its probe due, and returns when to try again: the device was full.
    #[cold]
    #[inline(never)]
    pub(crate) fn probe_again(&mut self, now: Instant) -> Option<Instant> {
        let (Phase::Open(Connection { probe_at, .. }) | Phase::Closing { probe_at, .. }) =
            &mut self.phase
        else {
            return None;
        };
        *probe_at = ProbeAt::not_after(now);
        Some(now + DEVICE_RETRY)
    }

    /// Returns `true` if its probe should have gone already.
    pub(crate) fn is_probe_due(&self, now: Instant) -> bool {
        match &self.phase {
            Phase::Open(Connection { probe_at, .. }) | Phase::Closing { probe_at, .. } => {
                probe_at.instant().is_some_and(|at| at <= now)
            }
            _ => false,
        }
    }

    /// Asks its session to finish.
    pub(crate) fn shutdown(&mut self) {
        if let Phase::Open(connection) = &mut self.phase {
            connection.session.shutdown();
        }
    }
}

/// Returns the bytes that have come and gone.
fn moved(counters: &Counters) -> (u64, u64) {
    (counters.bytes_in, counters.bytes_out)
}

fn half_open_until(since: Instant, options: &Options, full: bool) -> Instant {
    until(since, options.handshake_timeout, full)
}

fn closing_until(since: Instant, options: &Options, full: bool) -> Instant {
    until(since, options.close_timeout, full)
}

// Out of line: it spares flash.
#[inline(never)]
fn until(since: Instant, when_full: Duration, full: bool) -> Instant {
    let otherwise = Options::PATIENCE.max(when_full);
    since + if full { when_full } else { otherwise }
}
