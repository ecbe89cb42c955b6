//! Walks through every state of something small.

use core::fmt::Debug;
use std::collections::{HashSet, VecDeque};
use std::vec::Vec;

/// Something small and a model of it, after the same steps.
pub(crate) trait State: Clone + Debug {
    /// Something that can happen to it.
    type Step: Debug;

    /// Returns everything by which states differ.
    fn key(&self) -> Vec<u8>;

    /// Returns everything that can happen next.
    fn steps(&self) -> Vec<Self::Step>;

    /// Takes a step, and checks that both agree. Returns `false` if it is of no more use after it.
    fn take(&mut self, step: &Self::Step) -> bool;

    /// Checks what must be true in each state, whatever led there.
    fn check(&self);
}

/// Walks from `start`, breadth first, until no state is new. Returns the numbers of states and of
/// steps.
pub(crate) fn explore<S: State>(start: S) -> (usize, u64) {
    let mut seen = HashSet::from([start.key()]);
    let mut queue = VecDeque::from([start]);
    let mut steps = 0;
    while let Some(state) = queue.pop_front() {
        let blame = Blame(&state, None);
        state.check();
        drop(blame);
        for step in state.steps() {
            let blame = Blame(&state, Some(&step));
            let mut next = state.clone();
            steps += 1;
            if next.take(&step) && seen.insert(next.key()) {
                queue.push_back(next);
            }
            drop(blame);
        }
    }
    (seen.len(), steps)
}

/// Names the state and the step when the test fails.
struct Blame<'a, S: State>(&'a S, Option<&'a S::Step>);

impl<S: State> Drop for Blame<'_, S> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            std::eprintln!("in {:#?}\nat {:?}", self.0, self.1);
        }
    }
}
