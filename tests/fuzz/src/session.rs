//! Schedules of reads, writes, time, shutdown and failures, played by a session and compared with
//! the oracle.

mod wire;

use core::time::Duration;

use arbitrary::Unstructured;
use embedded_io::ErrorKind;
use linecho_core::polled::{self, Turn};
use linecho_core::{Config, Instant, LongLines, Reason, Session};

use crate::{core_oracle, oracle};
use wire::Wire;

const POLICIES: [LongLines; 3] = [LongLines::Flush, LongLines::Discard, LongLines::Close];
const KINDS: [ErrorKind; 5] = [
    ErrorKind::Other,
    ErrorKind::ConnectionReset,
    ErrorKind::TimedOut,
    ErrorKind::BrokenPipe,
    ErrorKind::OutOfMemory,
];
const REASONS: [Reason; 3] = [
    Reason::Idle,
    Reason::Reset,
    Reason::Failed(ErrorKind::Other),
];
/// Timeouts in milliseconds.
const TIMEOUTS: [Option<u64>; 4] = [None, Some(1), Some(5), Some(20)];
/// Turns in which a driver with a peer that reads everything must have come to the end.
const TURNS: usize = 100_000;

/// Plays a schedule that follows from `input`: a session's methods called one by one, or its polled
/// driver over a transport that blocks, fails and is cut short as the input says.
pub fn session(input: &[u8]) {
    // It cannot fail: the input only ends.
    let _ = play(&mut Unstructured::new(input));
}

fn play(input: &mut Unstructured<'_>) -> arbitrary::Result<()> {
    let shape: u8 = input.arbitrary()?;
    let policy = POLICIES[usize::from(shape % 3)];
    let capacity = match input.arbitrary::<u8>()? {
        small @ 0..=191 => usize::from(small % 12) + 1,
        large => usize::from(large - 191) * 4,
    };
    let timeouts: u8 = input.arbitrary()?;
    let (idle, write) = (
        TIMEOUTS[usize::from(timeouts & 3)],
        TIMEOUTS[usize::from(timeouts >> 2 & 3)],
    );
    let config = Config::new()
        .long_lines(policy)
        .idle_timeout(idle.map(Duration::from_millis))
        .write_timeout(write.map(Duration::from_millis));
    let storage = vec![b'\n'; capacity].into_boxed_slice();
    let mut tested = Tested {
        session: Session::new(storage, config, Instant::ZERO),
        policy,
        capacity,
        lent: None,
        wire: Wire::default(),
        ready: vec![],
        now: 0,
        since: 0,
        progressed: false,
        timeouts: (idle, write),
        ended: None,
        was_writing: false,
    };
    if shape & 0x80 == 0 {
        tested.step_by_step(input)?;
    } else {
        tested.driven(input)?;
    }
    tested.judge();
    Ok(())
}

struct Tested {
    session: Session<Box<[u8]>>,
    policy: LongLines,
    capacity: usize,
    /// The storage, while the session has none.
    lent: Option<Box<[u8]>>,
    wire: Wire,
    /// Bytes that had gone back or were ready to, after so many were taken.
    ready: Vec<(usize, usize)>,
    now: u64,
    /// The time of the last progress, as far as the ticks have noticed it.
    since: u64,
    progressed: bool,
    timeouts: (Option<u64>, Option<u64>),
    ended: Option<Reason>,
    was_writing: bool,
}

impl Tested {
    fn step_by_step(&mut self, input: &mut Unstructured<'_>) -> arbitrary::Result<()> {
        while !input.is_empty() {
            let step: u8 = input.arbitrary()?;
            let size = usize::from(step >> 4);
            match step & 15 {
                0..=4 => {
                    let room = self.session.input();
                    let bytes = input.bytes((size + 1).min(room.len()).min(input.len()))?;
                    room[..bytes.len()].copy_from_slice(bytes);
                    self.wire.taken.extend_from_slice(bytes);
                    let had_output = !self.session.output().is_empty();
                    self.session.received(bytes.len());
                    self.progressed |= !had_output && !self.session.output().is_empty();
                    self.note();
                }
                5..=7 => self.send(size + 1),
                8 => self.send(usize::MAX),
                9 => self.tick(size as u64),
                10 => self.lend(size % 2 == 0),
                11 => {
                    self.session
                        .restart_deadlines(Instant::from_millis(self.now));
                    self.since = self.now;
                }
                12 if size < 8 => self.session.shutdown(),
                12 => self.end_of_input(),
                13 => self.session.received(0),
                14 => {
                    self.wire.ended = true;
                    self.session.read_failed(KINDS[size % KINDS.len()]);
                }
                _ => {
                    self.wire.ended = true;
                    self.session.end(REASONS[size % REASONS.len()]);
                }
            }
            self.check();
        }
        // The peer reads the rest, and closes.
        self.lend(false);
        self.send(usize::MAX);
        self.end_of_input();
        self.send(usize::MAX);
        self.check();
        assert!(self.session.ended().is_some(), "the end is out of reach");
        Ok(())
    }

    fn end_of_input(&mut self) {
        let has_output = !self.session.output().is_empty();
        if self.session.ended().is_none() && !self.wire.ended {
            self.progressed |= !has_output;
        }
        self.wire.ended = true;
        self.session.end_of_input();
    }

    fn send(&mut self, most: usize) {
        let output = self.session.output();
        let n = most.min(output.len());
        self.wire.echoed.extend_from_slice(&output[..n]);
        self.session.sent(most);
        self.progressed |= n > 0;
    }

    /// Takes the storage away, or gives it back. It is refused while the session holds bytes.
    fn lend(&mut self, away: bool) {
        if away && self.lent.is_none() {
            let held = self.session.held();
            self.lent = self.session.replace_storage(Box::default()).ok();
            assert_eq!(
                self.lent.is_some(),
                held == 0,
                "the storage of {held} bytes"
            );
        } else if !away && let Some(storage) = self.lent.take() {
            let empty = self.session.replace_storage(storage);
            assert_eq!(empty.map(|it| it.len()), Ok(0));
        }
    }

    fn tick(&mut self, millis: u64) {
        self.now += millis;
        if std::mem::take(&mut self.progressed) {
            self.since = self.now;
        }
        let (idle, write) = self.timeouts;
        let writing = !self.session.output().is_empty();
        let write = write.filter(|_| writing);
        let due = [idle, write]
            .into_iter()
            .flatten()
            .min()
            .map(|it| self.since + it);
        let due = due.filter(|_| self.session.ended().is_none());
        let deadline = self.session.tick(Instant::from_millis(self.now));
        if due.is_some_and(|due| due <= self.now) {
            assert!(self.session.ended().is_some(), "the deadline has passed");
        } else {
            assert_eq!(deadline, due.map(Instant::from_millis));
        }
    }

    /// Takes note of what is ready to go back, while lines alone decide that.
    fn note(&mut self) {
        let Wire {
            ended,
            shut,
            failure,
            ..
        } = self.wire;
        let failed = failure.is_some() || self.session.ended().is_some();
        if ended || shut || failed || self.session.is_shutting_down() {
            return;
        }
        let ready = self.wire.echoed.len() + self.session.output().len();
        self.ready.push((self.wire.taken.len(), ready));
    }

    /// Checks what must be true after each step.
    fn check(&mut self) {
        let session = &mut self.session;
        assert!(session.held() <= session.capacity(), "bounded");
        assert!(session.output().len() <= session.held());
        let ended = session.ended();
        assert!(self.ended.is_none() || self.ended == ended, "one reason");
        self.ended = ended;
        let counters = session.counters();
        assert_eq!(counters.bytes_in, self.wire.taken.len() as u64);
        assert_eq!(counters.bytes_out, self.wire.echoed.len() as u64);
        if ended.is_some() {
            assert_eq!((session.held(), session.input().len()), (0, 0));
        }
    }

    /// The session and its polled driver, over a transport that does what the input says. Then the
    /// transport does all that it is asked for, and the peer closes.
    fn driven(&mut self, input: &mut Unstructured<'_>) -> arbitrary::Result<()> {
        let mut budget = self.session.turn_budget();
        self.wire.piece = usize::MAX;
        while !input.is_empty() {
            let step: u8 = input.arbitrary()?;
            let size = usize::from(step >> 3);
            match step & 7 {
                0 | 1 => {
                    let bytes = input.bytes((size + 1).min(input.len()))?;
                    self.wire.arrived.extend_from_slice(bytes);
                }
                2 => self.wire.room = self.wire.room.saturating_add(size),
                3 => self.wire.piece = size + 1,
                4 => self.now += size as u64,
                5 => self.wire.interruptions = size as u8,
                6 if size < 16 => budget = size + 1,
                6 => self.wire.flush_interrupted = size < 24,
                _ => match size {
                    0 => self.session.shutdown(),
                    1 => self.wire.shut = true,
                    2..=6 => self.wire.failure = Some(KINDS[size - 2]),
                    7..=11 => self.wire.write_failure = Some(KINDS[size - 7]),
                    _ => self.wire.room = usize::MAX,
                },
            }
            if self.turn(budget) {
                return Ok(());
            }
        }
        self.wire.room = usize::MAX;
        self.wire.interruptions = 0;
        self.wire.flush_interrupted = false;
        self.wire.shut = true;
        for _ in 0..TURNS {
            if self.turn(budget) {
                return Ok(());
            }
        }
        panic!("the end is out of reach");
    }

    /// Returns true if the session has ended.
    fn turn(&mut self, budget: usize) -> bool {
        let before = self.wire.taken.len();
        let now = Instant::from_millis(self.now);
        let turn = polled::serve(&mut self.session, &mut self.wire, now, budget);
        assert!(self.wire.taken.len() - before <= budget, "over the budget");
        self.was_writing = !self.session.output().is_empty() || self.wire.unflushed;
        self.check();
        match turn {
            Turn::Ended(reason) => {
                assert_eq!(self.session.ended(), Some(reason));
                return true;
            }
            Turn::Again => {}
            Turn::Wait { read, write, until } => {
                assert_eq!(write, self.was_writing, "waits to write");
                assert!(read || write, "waits for nothing");
                assert!(until.is_none_or(|until| until > now));
                assert_eq!(until.is_some(), self.session.deadline().is_some());
                let can_write = self.wire.room > 0 && !self.session.output().is_empty();
                assert!(!can_write || self.wire.flush_interrupted, "alive");
                if !self.wire.unflushed {
                    self.note();
                }
            }
        }
        false
    }

    /// Compares all that happened with the oracle.
    fn judge(&mut self) {
        let taken = &self.wire.taken[..];
        let (capacity, policy) = (self.capacity, self.policy);
        let echo = oracle::echo(taken, capacity, policy, false);
        for &(taken, ready) in &self.ready {
            let due = echo.due(taken);
            assert_eq!(ready, due, "after {taken} bytes");
        }
        let echoed = &self.wire.echoed[..];
        match self.session.ended() {
            Some(Reason::PeerClosed | Reason::Shutdown) => {
                let pieces = core_oracle::echo(taken, capacity, policy, true);
                let all = pieces.collect::<Vec<_>>().concat();
                assert_eq!(echoed, all);
                assert_eq!(oracle::echo(taken, capacity, policy, true).bytes, all);
            }
            Some(Reason::LineTooLong) => assert_eq!(echoed, echo.bytes),
            _ => {
                let may_end = self.wire.ended || self.wire.shut || self.session.is_shutting_down();
                let most = oracle::echo(taken, capacity, policy, may_end);
                assert!(most.bytes.starts_with(echoed), "not a prefix");
            }
        }
        let (lines, overlong) = core_oracle::count(taken, capacity, policy);
        let counters = self.session.counters();
        assert_eq!((counters.lines, counters.overlong), (lines, overlong));
    }
}
