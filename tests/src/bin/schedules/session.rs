//! Every run of a session: each input of a length, in each split into reads, between them each
//! pattern of short and blocked writes, and at its end each way to end.

use std::fmt;

use linecho_core::embedded_io::ErrorKind;
use linecho_core::{Config, Instant, LongLines, Reason, Session};

use crate::oracle;
use crate::walk::{Dealer, LONGEST, Walk};

/// A step of a run. A write is blocked where a read comes next though output is ready, and a read
/// where a write does though input is wanted.
#[derive(Clone, Copy)]
enum Step {
    /// A read brings so many bytes.
    Read(usize),
    /// A write takes so many bytes.
    Write(usize),
    EndOfInput,
    ReadFails,
    WriteFails,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read(n) => write!(f, "read {n}"),
            Self::Write(n) => write!(f, "write {n}"),
            Self::EndOfInput => f.write_str("end of input"),
            Self::ReadFails => f.write_str("a read fails"),
            Self::WriteFails => f.write_str("a write fails"),
        }
    }
}

/// Walks through all runs that end when `length` bytes have been read; those that end earlier
/// belong to the walks with shorter inputs. Returns the number of runs that this thread took.
pub(crate) fn walk<const N: usize>(policy: LongLines, length: usize, dealer: &Dealer) -> u64 {
    let mut runs = Runs::<N> {
        policy,
        length,
        input: [0; LONGEST],
        walk: Walk::new(dealer),
    };
    let config = Config::new().long_lines(policy);
    let mut start = State {
        session: Session::new([0; N], config, Instant::ZERO),
        read: 0,
        written: 0,
    };
    runs.go_on(&mut start, &Echo::NONE);
    runs.walk.runs
}

struct Runs<'a, const N: usize> {
    policy: LongLines,
    length: usize,
    /// The bytes read so far; behind them, those of the last run that read more.
    input: [u8; LONGEST],
    walk: Walk<'a, Step>,
}

#[derive(Clone)]
struct State<const N: usize> {
    session: Session<[u8; N]>,
    read: usize,
    written: usize,
}

/// The bytes that go back in all, once what has been read is all there is for now.
#[derive(Clone, Copy)]
struct Echo {
    bytes: [u8; LONGEST],
    len: usize,
}

impl Echo {
    const NONE: Self = Self {
        bytes: [0; LONGEST],
        len: 0,
    };
}

impl<const N: usize> Runs<'_, N> {
    fn echo(&self, read: usize, at_end: bool) -> Echo {
        let mut echo = Echo::NONE;
        for piece in oracle::echo(&self.input[..read], N, self.policy, at_end) {
            echo.bytes[echo.len..echo.len + piece.len()].copy_from_slice(piece);
            echo.len += piece.len();
        }
        echo
    }

    /// Takes each step that can follow while the session takes input.
    fn go_on(&mut self, state: &mut State<N>, echo: &Echo) {
        self.check(state, echo);
        for n in 1..=state.session.output().len() {
            if self.walk.forth(Step::Write(n)) {
                let mut next = state.clone();
                next.session.sent(n);
                next.written += n;
                self.go_on(&mut next, echo);
                self.walk.back();
            }
        }
        if state.read == self.length {
            return self.end(state, echo);
        }
        let room = state.session.input().len();
        self.demand(
            state,
            room > 0 || !state.session.output().is_empty(),
            "stuck",
        );
        for n in 1..=room.min(self.length - state.read) {
            for newlines in 0..1 << n {
                if self.walk.forth(Step::Read(n)) {
                    self.read(state, n, newlines);
                    self.walk.back();
                }
            }
        }
    }

    /// Reads `n` bytes, of which those in the bit set `newlines` are line ends.
    fn read(&mut self, state: &State<N>, n: usize, newlines: usize) {
        let mut next = state.clone();
        for (bit, byte) in self.input[state.read..][..n].iter_mut().enumerate() {
            // Letters that differ show when one is taken for another.
            let letter = b'a' + (state.read + bit) as u8;
            *byte = if newlines & (1 << bit) == 0 {
                letter
            } else {
                b'\n'
            };
        }
        next.session.input()[..n].copy_from_slice(&self.input[state.read..][..n]);
        next.session.received(n);
        next.read += n;
        let echo = self.echo(next.read, false);
        let (_, overlong) = oracle::count(&self.input[..next.read], N, self.policy);
        if self.policy == LongLines::Close && overlong > 0 {
            self.drain(&next, &echo, Reason::LineTooLong);
        } else {
            self.go_on(&mut next, &echo);
        }
    }

    /// Ends the input in each way.
    fn end(&mut self, state: &State<N>, echo: &Echo) {
        if self.walk.forth(Step::EndOfInput) {
            let mut next = state.clone();
            next.session.end_of_input();
            let whole = self.echo(next.read, true);
            self.drain(&next, &whole, Reason::PeerClosed);
            self.walk.back();
        }
        if self.walk.forth(Step::ReadFails) {
            let mut next = state.clone();
            next.session.read_failed(ErrorKind::TimedOut);
            self.drain(&next, echo, Reason::Failed(ErrorKind::TimedOut));
            self.walk.back();
        }
        self.fail_to_write(state, Reason::Reset);
    }

    fn fail_to_write(&mut self, state: &State<N>, reason: Reason) {
        if !state.session.output().is_empty() && self.walk.forth(Step::WriteFails) {
            let mut next = state.clone();
            next.session.end(Reason::Reset);
            self.demand(&next, next.session.held() == 0, "held after the end");
            self.complete(&next, reason);
            self.walk.back();
        }
    }

    /// Writes what is left in each way, now that no more input is taken.
    fn drain(&mut self, state: &State<N>, echo: &Echo, reason: Reason) {
        self.check(state, echo);
        let left = echo.len - state.written;
        if left == 0 {
            return self.complete(state, reason);
        }
        self.demand(state, state.session.ended().is_none(), "ended too early");
        for n in 1..=left {
            if self.walk.forth(Step::Write(n)) {
                let mut next = state.clone();
                next.session.sent(n);
                next.written += n;
                self.drain(&next, echo, reason);
                self.walk.back();
            }
        }
        let kept = matches!(reason, Reason::Failed(_));
        self.fail_to_write(state, if kept { reason } else { Reason::Reset });
    }

    /// Checks a run that is complete.
    fn complete(&mut self, state: &State<N>, reason: Reason) {
        self.demand(state, state.session.ended() == Some(reason), reason);
        let counters = state.session.counters();
        let counted = (counters.bytes_in, counters.bytes_out);
        let moved = (state.read as u64, state.written as u64);
        self.demand(state, counted == moved, "bytes are miscounted");
        let lines = oracle::count(&self.input[..state.read], N, self.policy);
        let counted = (counters.lines, counters.overlong);
        self.demand(state, counted == lines, "lines are miscounted");
        if state.read == self.length {
            self.walk.complete();
        }
    }

    /// Checks what is ready to go back.
    fn check(&self, state: &State<N>, echo: &Echo) {
        let ready = &echo.bytes[state.written..echo.len];
        self.demand(state, state.session.output() == ready, "other output");
        self.demand(state, state.session.held() <= N, "holds too much");
    }

    fn demand(&self, state: &State<N>, holds: bool, why: impl fmt::Debug) {
        if !holds {
            self.walk
                .fail(state.session.clone(), &self.input[..state.read], why);
        }
    }
}
