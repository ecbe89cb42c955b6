//! Every run of a probe against an honest peer and each dishonest one: each text of a length, in
//! each split into pieces that are queued, sent, and come back.

use std::fmt;
use std::time::Duration;

use linecho_core::{Instant, Position, Probe, ProbeError};

use crate::walk::{Dealer, LONGEST, Walk};

/// A step of a run.
#[derive(Clone, Copy)]
enum Step {
    /// A piece of so many bytes is queued.
    Queue(usize),
    /// So many bytes are sent.
    Send(usize),
    /// So many bytes come back.
    Return(usize),
    /// Another byte comes back than was sent, or one more than was.
    Wrong,
    Closes,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Queue(n) => write!(f, "queue {n}"),
            Self::Send(n) => write!(f, "send {n}"),
            Self::Return(n) => write!(f, "return {n}"),
            Self::Wrong => f.write_str("a wrong byte"),
            Self::Closes => f.write_str("the peer closes"),
        }
    }
}

/// Walks through all runs that end when `length` bytes have been queued; those that end earlier
/// belong to the walks with shorter texts. Returns the number of runs that this thread took.
pub(crate) fn walk<const N: usize, const WINDOW: usize>(length: usize, dealer: &Dealer) -> u64 {
    let mut runs = Runs {
        length,
        text: [0; LONGEST],
        sent_at: [0; LONGEST],
        walk: Walk::new(dealer),
    };
    runs.go_on(&State::<N, WINDOW> {
        probe: Probe::new([0; N]),
        queued: 0,
        sent: 0,
        returned: 0,
    });
    runs.walk.runs
}

struct Runs<'a> {
    length: usize,
    /// The bytes queued so far; behind them, those of the last run that queued more.
    text: [u8; LONGEST],
    /// The time at which each byte was sent.
    sent_at: [usize; LONGEST],
    walk: Walk<'a, Step>,
}

#[derive(Clone)]
struct State<const N: usize, const WINDOW: usize> {
    probe: Probe<[u8; N], WINDOW>,
    queued: usize,
    sent: usize,
    returned: usize,
}

fn at(depth: usize) -> Instant {
    Instant::from_millis(depth as u64)
}

impl Runs<'_> {
    /// Takes each step that can follow.
    fn go_on<const N: usize, const WINDOW: usize>(&mut self, state: &State<N, WINDOW>) {
        self.check(state);
        let room = state.probe.room();
        let in_flight = state.queued - state.returned;
        self.demand(state, room > 0 || in_flight > 0, "stuck");
        for n in 1..=room.min(self.length - state.queued) {
            for newline in [false, true] {
                if self.walk.forth(Step::Queue(n)) {
                    self.queue(state, n, newline);
                    self.walk.back();
                }
            }
        }
        for n in 1..=state.queued - state.sent {
            if self.walk.forth(Step::Send(n)) {
                let now = self.walk.depth();
                let mut next = state.clone();
                next.probe.sent(n, at(now));
                self.sent_at[state.sent..][..n].fill(now);
                next.sent += n;
                self.go_on(&next);
                self.walk.back();
            }
        }
        for n in 1..=state.sent - state.returned {
            if self.walk.forth(Step::Return(n)) {
                self.give_back(state, n);
                self.walk.back();
            }
        }
        if state.queued == self.length {
            self.end(state);
        }
    }

    fn queue<const N: usize, const WINDOW: usize>(
        &mut self,
        state: &State<N, WINDOW>,
        n: usize,
        newline: bool,
    ) {
        let mut next = state.clone();
        for (place, byte) in self.text.iter_mut().enumerate().skip(state.queued).take(n) {
            // Letters that differ show when one is taken for another.
            *byte = b'a' + place as u8;
        }
        next.queued += n;
        if newline {
            self.text[next.queued - 1] = b'\n';
        }
        let queued = next.probe.queue(&self.text[state.queued..next.queued]);
        self.demand(
            &next,
            queued.is_ok(),
            "there was room, and it is not queued",
        );
        self.go_on(&next);
    }

    /// Brings bytes back, and checks the round-trip time of each line that they end.
    fn give_back<const N: usize, const WINDOW: usize>(
        &mut self,
        state: &State<N, WINDOW>,
        n: usize,
    ) {
        let now = self.walk.depth();
        let mut next = state.clone();
        next.returned += n;
        let bytes = &self.text[state.returned..next.returned];
        let sent_at = &self.sent_at[state.returned..next.returned];
        let mut lines = bytes
            .iter()
            .zip(sent_at)
            .filter(|(byte, _)| **byte == b'\n');
        let mut is_right = true;
        let mut on_line = |round_trip: Duration| {
            let due = lines.next().map(|(_, sent_at)| (now - sent_at) as u128);
            is_right &= due == Some(round_trip.as_millis());
        };
        let checked = next.probe.check(bytes, at(now), &mut on_line);
        is_right &= lines.next().is_none();
        self.demand(&next, checked.is_ok(), checked);
        self.demand(&next, is_right, "another round-trip time");
        self.go_on(&next);
    }

    /// Ends the run in each way.
    fn end<const N: usize, const WINDOW: usize>(&mut self, state: &State<N, WINDOW>) {
        let position = self.position(state.returned);
        if self.walk.forth(Step::Closes) {
            let missing = (state.queued - state.returned) as u64;
            let due = match missing {
                0 => Ok(()),
                bytes => Err(ProbeError::Missing { position, bytes }),
            };
            self.demand(
                state,
                state.probe.end_of_input() == due,
                "the end is misjudged",
            );
            self.demand(state, state.probe.is_done() == due.is_ok(), "done or not");
            self.walk.complete();
            self.walk.back();
        }
        if self.walk.forth(Step::Wrong) {
            let mut next = state.clone();
            let sent = &self.text[..state.sent];
            let due = match sent.get(state.returned) {
                Some(&expected) => ProbeError::Mismatch {
                    position,
                    expected,
                    got: b'?',
                },
                None => ProbeError::Unsent {
                    position,
                    got: b'?',
                },
            };
            let checked = next.probe.check(b"?", at(self.walk.depth()), &mut |_| {});
            self.demand(&next, checked == Err(due), due);
            self.walk.complete();
            self.walk.back();
        }
    }

    fn position(&self, returned: usize) -> Position {
        let returned = &self.text[..returned];
        let line = returned.iter().filter(|&&byte| byte == b'\n').count() as u64 + 1;
        let in_line = returned.iter().rev().take_while(|&&byte| byte != b'\n');
        let byte = in_line.count() as u64 + 1;
        Position { line, byte }
    }

    /// Checks what is to be sent, what is to come back, and where.
    fn check<const N: usize, const WINDOW: usize>(&self, state: &State<N, WINDOW>) {
        let State {
            probe,
            queued,
            sent,
            returned,
        } = state;
        self.demand(
            state,
            probe.output() == &self.text[*sent..*queued],
            "other output",
        );
        self.demand(
            state,
            probe.expected() == &self.text[*returned..*sent],
            "expects others",
        );
        let position = self.position(*returned);
        self.demand(state, probe.position() == position, position);
    }

    fn demand<const N: usize, const WINDOW: usize>(
        &self,
        state: &State<N, WINDOW>,
        holds: bool,
        why: impl fmt::Debug,
    ) {
        if !holds {
            self.walk
                .fail(state.probe.clone(), &self.text[..state.queued], why);
        }
    }
}
