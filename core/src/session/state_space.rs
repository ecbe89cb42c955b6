//! Every state that a session with a small buffer can be in, and everything that can happen to it
//! there: breadth first, until nothing new appears.
//!
//! Each step is taken by the session and by a [`Model`] that is too plain to be wrong, and both
//! must agree. Bytes alternate between two values, so that none can be taken for its neighbour.
//! What does not matter is made equal, so that there is an end: counters begin at zero in each
//! step, time is counted from now, and memory that holds nothing is filled with newlines, which
//! show at once when they are taken for input.

mod model;

use core::time::Duration;
use std::boxed::Box;
use std::vec;
use std::vec::Vec;

use super::*;
use crate::walk::{self, State as _};
use model::Model;

/// The longest buffer. Debug builds take too long for more.
const LONGEST: usize = if cfg!(debug_assertions) { 3 } else { 5 };
const NOW: u64 = 1000;
const POLICIES: [LongLines; 3] = [LongLines::Flush, LongLines::Discard, LongLines::Close];
/// Idle and write timeouts in milliseconds.
const TIMEOUTS: [(Option<u64>, Option<u64>); 5] = [
    (None, None),
    (Some(2), Some(1)),
    (Some(1), Some(2)),
    (None, Some(1)),
    (Some(2), None),
];

type Tested = Session<Box<[u8]>>;

#[derive(Clone, Debug)]
enum Step {
    /// A read brings a line end for each `true`, and any other byte for each `false`.
    Receive(Vec<bool>),
    /// More is reported as received than there is room for.
    ReceiveTooMuch,
    Send(usize),
    Write(usize),
    Flush,
    /// So many milliseconds pass.
    Tick(u64),
    Restart,
    EndOfInput,
    Shutdown,
    ReadFails(ErrorKind),
    End,
    Exchange(usize),
}

/// Both after the same steps.
#[derive(Clone, Debug)]
struct State {
    session: Tested,
    model: Model,
}

impl State {
    fn new(capacity: usize, policy: LongLines, timeouts: (Option<u64>, Option<u64>)) -> Self {
        let config = Config::new()
            .long_lines(policy)
            .idle_timeout(timeouts.0.map(Duration::from_millis))
            .write_timeout(timeouts.1.map(Duration::from_millis));
        let storage = vec![b'\n'; capacity].into_boxed_slice();
        let session = Session::new(storage, config, Instant::from_millis(NOW));
        let model = Model {
            policy,
            timeouts,
            capacity,
            odd: false,
            ready: Vec::new(),
            line: Vec::new(),
            is_long: false,
            unflushed: false,
            shutting_down: false,
            reason: None,
            progressed: false,
            age: 0,
        };
        Self { session, model }
    }

    fn agree(&self) {
        let Self { session, model } = self;
        assert_eq!(session.output(), model.ready);
        assert_eq!(session.held(), model.held().len());
        assert_eq!(session.buffer.held_bytes(), model.held());
        assert_eq!(session.capacity(), model.capacity);
        assert_eq!(session.ended(), model.ended());
        assert_eq!(session.reason, model.reason);
        assert_eq!(session.is_writing(), model.is_writing());
        assert_eq!(session.is_shutting_down(), model.shutting_down);
        let since = NOW - model.age;
        let deadline = model
            .deadline()
            .map(|it| Instant::from_millis(since + it.0));
        assert_eq!(session.deadline(), deadline);
    }

    /// A peer that reads gets each complete line, and can complete the one that has begun.
    fn is_alive(&self) {
        let mut state = self.clone();
        state.take(&Step::Send(usize::MAX));
        let takes_input = state.model.reason.is_none() && state.model.capacity > 0;
        let room = state.session.clone().input().len();
        assert_eq!(room > 0, takes_input, "input");
        if takes_input {
            state.take(&Step::Receive(vec![true]));
            state.take(&Step::Send(usize::MAX));
            assert_eq!(state.session.held(), 0);
        }
    }

    /// A peer that reads and closes ends the session, and has everything then.
    fn can_end(&self) {
        let mut state = self.clone();
        for step in [Step::EndOfInput, Step::Send(usize::MAX), Step::Flush] {
            state.take(&step);
        }
        assert!(state.session.ended().is_some(), "the end is out of reach");
    }

    /// With an idle timeout, silence ends the session, whatever it waits for.
    fn ends_in_time(&self) {
        let mut state = self.clone();
        state.take(&Step::Tick(0));
        state.take(&Step::Tick(2));
        let ends = state.model.timeouts.0.is_some()
            || state.model.reason.is_some_and(|_| !self.model.is_writing());
        assert!(
            !ends || state.session.ended().is_some(),
            "silence does not end"
        );
    }

    fn forget_what_does_not_matter(&mut self) {
        self.session.buffer.fill_unused(b'\n');
        if self.model.ended().is_some() {
            (self.model.age, self.model.progressed) = (0, false);
            (self.session.since, self.session.progressed) = (Instant::from_millis(NOW), false);
        }
        self.session.scanned = 0;
        self.session.buffer.moved = 0;
    }
}

impl walk::State for State {
    type Step = Step;

    fn key(&self) -> Vec<u8> {
        let Self { session, model } = self;
        let reason = model.reason.map_or(0, |reason| match reason {
            Reason::PeerClosed => 1,
            Reason::Idle => 2,
            Reason::WriteStalled => 3,
            Reason::LineTooLong => 4,
            Reason::Reset => 5,
            Reason::Failed(_) => 6,
            Reason::Shutdown => 7,
        });
        let mut key = vec![
            reason,
            session.long_line as u8,
            u8::from(model.odd),
            u8::from(model.is_long),
            u8::from(model.unflushed),
            u8::from(model.shutting_down),
            u8::from(model.progressed),
            model.age as u8,
        ];
        key.extend(session.buffer.positions().map(|position| position as u8));
        key.extend(session.buffer.storage());
        key
    }

    fn steps(&self) -> Vec<Step> {
        let room = self.session.clone().input().len();
        let mut steps = vec![
            Step::ReceiveTooMuch,
            Step::Flush,
            Step::Tick(0),
            Step::Tick(1),
            Step::Restart,
            Step::EndOfInput,
            Step::Shutdown,
            Step::ReadFails(ErrorKind::Other),
            Step::ReadFails(ErrorKind::ConnectionReset),
            Step::End,
        ];
        for n in 1..=room {
            let read = |bits: usize| (0..n).map(|bit| bits & (1 << bit) != 0).collect();
            steps.extend((0..1 << n).map(|bits| Step::Receive(read(bits))));
        }
        let output = self.session.output().len();
        steps.extend((0..=output + 1).map(Step::Send));
        steps.extend((1..=output).map(Step::Write));
        steps.extend((0..=LONGEST).map(Step::Exchange));
        steps
    }

    fn take(&mut self, step: &Step) -> bool {
        let Self { session, model } = self;
        session.counters = Counters::default();
        let mut counters = Counters::default();
        match *step {
            Step::Receive(ref newlines) => {
                let bytes: Vec<u8> = newlines.iter().map(|&it| model.next_byte(it)).collect();
                session.input()[..bytes.len()].copy_from_slice(&bytes);
                session.received(bytes.len());
                model.receive(&bytes, &mut counters);
            }
            Step::ReceiveTooMuch => {
                let room = session.input().len();
                session.input().fill(b'\n');
                session.received(usize::MAX);
                model.receive(&vec![b'\n'; room], &mut counters);
            }
            Step::Send(n) => {
                session.sent(n);
                model.send(n, &mut counters);
            }
            Step::Write(n) => {
                session.written(n);
                model.send(n, &mut counters);
                model.unflushed = true;
            }
            Step::Flush => {
                session.flushed();
                model.unflushed = false;
                model.progressed = true;
            }
            Step::Tick(millis) => {
                let deadline = session.tick(Instant::from_millis(NOW + millis));
                model.tick(millis);
                assert_eq!(deadline, session.deadline());
                session.since = Instant::from_millis(NOW - model.age);
            }
            Step::Restart => {
                session.restart_deadlines(Instant::from_millis(NOW));
                model.age = 0;
            }
            Step::EndOfInput => {
                session.end_of_input();
                model.end_of_input();
            }
            Step::Shutdown => {
                session.shutdown();
                model.shutting_down = true;
            }
            Step::ReadFails(kind) => {
                session.read_failed(kind);
                model.read_failed(kind);
            }
            Step::End => {
                session.end(Reason::Idle);
                model.end(Reason::Idle);
            }
            Step::Exchange(length) => {
                let result = session.replace_storage(vec![b'\n'; length].into_boxed_slice());
                assert_eq!(result.is_err(), model.refuses(length));
                let expected = if result.is_ok() {
                    model.capacity
                } else {
                    length
                };
                let (Ok(other) | Err(other)) = result;
                assert_eq!(other.len(), expected);
                if !model.refuses(length) {
                    model.capacity = length;
                }
            }
        }
        assert_eq!(session.counters(), counters);
        self.agree();
        self.forget_what_does_not_matter();
        true
    }

    fn check(&self) {
        assert!(self.session.held() <= self.session.capacity(), "bounded");
        self.is_alive();
        self.can_end();
        self.ends_in_time();
    }
}

#[test]
fn state_space() {
    let (mut states, mut steps) = (0, 0);
    for capacity in 1..=LONGEST {
        for policy in POLICIES {
            for timeouts in TIMEOUTS {
                let (more_states, more_steps) =
                    walk::explore(State::new(capacity, policy, timeouts));
                states += more_states;
                steps += more_steps;
            }
        }
    }
    std::println!("sessions of 1 to {LONGEST} bytes: {states} states, {steps} steps");
}
