//! Every state that a probe with little storage can be in, and everything that can happen to it
//! there: breadth first, until nothing new appears. Each step is taken by a [`Model`], too.

use std::collections::VecDeque;
use std::vec;
use std::vec::Vec;

use super::*;
use crate::walk::{self, State as _};

/// The longest storage, and the window of lines.
const LONGEST: usize = if cfg!(debug_assertions) { 3 } else { 5 };
const WINDOW: usize = 3;

#[derive(Clone, Debug)]
enum Step {
    /// So many bytes are queued, and a newline after them for `true`.
    Queue(usize, bool),
    Send(usize),
    Write(usize),
    Flush,
    /// So many bytes come back as they were sent.
    Receive(usize),
    /// After so many, one comes back that is another.
    ReceiveWrong(usize),
    Exchange(usize),
}

/// The contract of a probe, without a buffer.
#[derive(Clone, Debug)]
struct Model {
    capacity: usize,
    /// The value of the next byte that is no newline: one of two, in turn.
    odd: bool,
    sent: VecDeque<u8>,
    queued: VecDeque<u8>,
    /// The bytes of the first line that have come back.
    into_line: u64,
    unflushed: bool,
}

impl Model {
    fn in_flight(&self) -> Vec<u8> {
        self.sent.iter().chain(&self.queued).copied().collect()
    }

    /// Returns the number of lines in flight; the last may be unfinished.
    fn lines(&self) -> usize {
        let bytes = self.in_flight();
        let whole = bytes.iter().filter(|&&byte| byte == b'\n').count();
        whole + usize::from(self.is_unfinished())
    }

    fn is_unfinished(&self) -> bool {
        match self.in_flight().last() {
            Some(&last) => last != b'\n',
            None => self.into_line > 0,
        }
    }

    fn is_within_line(&self) -> bool {
        self.is_unfinished() && self.lines() == 1
    }

    /// Takes the first byte that is expected, and returns true if it ends a line.
    fn pop(&mut self) -> bool {
        let newline = self.sent.pop_front() == Some(b'\n');
        self.into_line = if newline { 0 } else { self.into_line + 1 };
        newline
    }
}

#[derive(Clone, Debug)]
struct State {
    probe: Probe<Vec<u8>, WINDOW>,
    model: Model,
}

impl State {
    fn new(capacity: usize) -> Self {
        let model = Model {
            capacity,
            odd: false,
            sent: VecDeque::new(),
            queued: VecDeque::new(),
            into_line: 0,
            unflushed: false,
        };
        Self {
            probe: Probe::new(vec![b'?'; capacity]),
            model,
        }
    }

    fn agree(&self) {
        let Self { probe, model } = self;
        let bytes = model.in_flight();
        assert_eq!(
            probe.expected(),
            model.sent.iter().copied().collect::<Vec<_>>()
        );
        assert_eq!(
            probe.output(),
            model.queued.iter().copied().collect::<Vec<_>>()
        );
        assert_eq!(probe.is_done(), bytes.is_empty());
        assert_eq!(probe.capacity(), model.capacity);
        assert_eq!(probe.is_unflushed(), model.unflushed);
        assert_eq!(probe.is_within_line(), model.is_within_line());
        assert_eq!(probe.end_of_input().is_ok(), bytes.is_empty());
        let free = model.capacity - bytes.len();
        assert!(probe.room() <= free, "bounded");
        let window_is_full = model.lines() == WINDOW && !model.is_unfinished();
        assert!(!window_is_full || probe.room() == 0);
    }

    /// An honest echo of whole lines ends everything, and never leaves the probe without room that
    /// it has.
    fn is_alive(&self) {
        let mut state = self.clone();
        state.take(&Step::Send(usize::MAX));
        let bytes = state.model.in_flight();
        let whole = bytes
            .iter()
            .rposition(|&byte| byte == b'\n')
            .map_or(0, |at| at + 1);
        state.take(&Step::Receive(whole));
        let rest = bytes.len() - whole;
        let free = state.model.capacity - rest;
        let came_in_part = rest > 0 && state.model.into_line > 0;
        assert!(came_in_part || state.probe.room() == free, "room");
        // At the end of input the rest comes back, too.
        state.take(&Step::Receive(rest));
        assert!(state.probe.is_done());
    }

    fn forget_what_does_not_matter(&mut self) {
        let Self { probe, model } = self;
        probe.buffer.fill_unused(b'?');
        probe.buffer.moved = 0;
        probe.looked_at = 0;
        // A line that goes on for ever makes no new states.
        let far = model.into_line.saturating_sub(1);
        model.into_line -= far;
        probe.line_start += far;
    }
}

impl walk::State for State {
    type Step = Step;

    fn key(&self) -> Vec<u8> {
        let Self { probe, model } = self;
        let mut key = vec![
            u8::from(model.odd),
            u8::from(model.into_line > 0),
            u8::from(model.unflushed),
            probe.sent_lines as u8,
        ];
        key.extend(probe.buffer.positions().map(|position| position as u8));
        key.extend(probe.buffer.storage());
        key
    }

    fn steps(&self) -> Vec<Step> {
        let mut steps = vec![Step::Flush];
        for n in 0..=self.model.capacity + 1 {
            steps.extend([Step::Queue(n, false), Step::Queue(n, true)]);
        }
        steps.extend((0..=self.model.queued.len() + 1).map(Step::Send));
        steps.extend((1..=self.model.queued.len()).map(Step::Write));
        steps.extend((0..=self.model.sent.len()).map(Step::Receive));
        steps.extend((0..=self.model.sent.len()).map(Step::ReceiveWrong));
        steps.extend((0..=LONGEST).map(Step::Exchange));
        steps
    }

    fn take(&mut self, step: &Step) -> bool {
        let Self { probe, model } = self;
        match *step {
            Step::Queue(n, newline) => {
                let room = probe.room();
                let before = model.odd;
                let mut piece: Vec<u8> = (0..n)
                    .map(|_| {
                        model.odd = !model.odd;
                        if model.odd { b'a' } else { b'b' }
                    })
                    .collect();
                piece.extend(newline.then_some(b'\n'));
                let result = probe.queue(&piece);
                assert_eq!(result.is_ok(), piece.len() <= room);
                match result {
                    Ok(()) => model.queued.extend(piece),
                    Err(QueueFull) => model.odd = before,
                }
            }
            Step::Send(n) => {
                probe.sent(n, Instant::ZERO);
                let n = n.min(model.queued.len());
                model.sent.extend(model.queued.drain(..n));
            }
            Step::Write(n) => {
                probe.written(n, Instant::ZERO);
                model.sent.extend(model.queued.drain(..n));
                model.unflushed = true;
            }
            Step::Flush => {
                probe.flushed();
                model.unflushed = false;
            }
            Step::Receive(n) => {
                let bytes: Vec<u8> = model.sent.iter().take(n).copied().collect();
                let (before, mut measured) = (probe.lines(), 0);
                probe
                    .check(&bytes, Instant::ZERO, &mut |_| measured += 1)
                    .unwrap();
                let whole = (0..n).filter(|_| model.pop()).count() as u64;
                assert_eq!((measured, probe.lines() - before), (whole, whole));
            }
            Step::ReceiveWrong(n) => {
                let mut bytes: Vec<u8> = model.sent.iter().take(n).copied().collect();
                bytes.push(b'!');
                let result = probe.check(&bytes, Instant::ZERO, &mut |_| {});
                let whole = (0..n).filter(|_| model.pop()).count() as u64;
                let position = probe.position();
                assert_eq!(position.byte, model.into_line + 1);
                assert_eq!(position.line, probe.lines() + 1);
                assert!(probe.lines() >= whole);
                let got = b'!';
                let expected = model.sent.front().copied();
                let error = expected.map_or(ProbeError::Unsent { position, got }, |expected| {
                    ProbeError::Mismatch {
                        position,
                        expected,
                        got,
                    }
                });
                assert_eq!(result, Err(error));
                return false;
            }
            Step::Exchange(length) => {
                let fits = model.in_flight().len() <= length;
                let result = probe.replace_storage(vec![b'?'; length]);
                assert_eq!(result.is_ok(), fits);
                if fits {
                    model.capacity = length;
                }
            }
        }
        self.agree();
        self.forget_what_does_not_matter();
        true
    }

    fn check(&self) {
        self.is_alive();
    }
}

#[test]
fn state_space() {
    let (mut states, mut steps) = (0, 0);
    for capacity in 1..=LONGEST {
        let (more_states, more_steps) = walk::explore(State::new(capacity));
        states += more_states;
        steps += more_steps;
    }
    std::println!("probes of 1 to {LONGEST} bytes: {states} states, {steps} steps");
}
