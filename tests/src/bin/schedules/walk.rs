//! What both walks share: the way from the beginning of a run, and which thread takes which branch.

use std::fmt::{Debug, Display};
use std::sync::atomic::{AtomicU64, Ordering};

/// The longest input of a walk.
pub(crate) const LONGEST: usize = 16;
/// No run has more steps: each byte is in at most one read, one write and one return.
const MOST_STEPS: usize = 3 * LONGEST + 4;
/// Branches of the tree are dealt to the threads at this depth.
const DEALT: usize = 5;

/// A depth-first walk through the tree of all runs, as one of several threads takes it: runs share
/// their beginnings, and each leaf of the tree is one complete run.
pub(crate) struct Walk<'a, Step> {
    /// The steps from the beginning to here.
    steps: [Option<Step>; MOST_STEPS],
    depth: usize,
    /// The runs that this thread completed.
    pub(crate) runs: u64,
    /// The branches that were met, and the next one that is for this thread.
    met: u64,
    mine: u64,
    /// This thread counts the runs that end before branches are dealt, which every thread meets.
    is_first: bool,
    dealer: &'a Dealer,
}

/// Deals the branches: each to one thread.
#[derive(Default)]
pub(crate) struct Dealer(AtomicU64);

impl Dealer {
    fn deal(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed)
    }
}

impl<'a, Step: Copy + Display> Walk<'a, Step> {
    pub(crate) fn new(dealer: &'a Dealer) -> Self {
        let mine = dealer.deal();
        Self {
            steps: [None; MOST_STEPS],
            depth: 0,
            runs: 0,
            met: 0,
            mine,
            is_first: mine == 0,
            dealer,
        }
    }

    /// Takes a step. Returns false if what follows is for another thread; else call
    /// [`back`](Self::back) at the end of it.
    pub(crate) fn forth(&mut self, step: Step) -> bool {
        if self.depth == DEALT {
            let is_mine = self.met == self.mine;
            self.met += 1;
            if !is_mine {
                return false;
            }
            self.mine = self.dealer.deal();
        }
        self.steps[self.depth] = Some(step);
        self.depth += 1;
        true
    }

    pub(crate) fn back(&mut self) {
        self.depth -= 1;
    }

    /// Returns the number of steps up to here: the time, as runs are told it.
    pub(crate) fn depth(&self) -> usize {
        self.depth
    }

    /// Counts a run that is complete.
    pub(crate) fn complete(&mut self) {
        self.runs += u64::from(self.is_first || self.depth > DEALT);
    }

    /// Fails with all steps from the beginning.
    #[cold]
    pub(crate) fn fail(&self, of: impl Debug, input: &[u8], why: impl Debug) -> ! {
        let steps = self.steps[..self.depth].iter().flatten();
        let steps: Vec<_> = steps.map(Step::to_string).collect();
        let (input, steps) = (input.escape_ascii(), steps.join(", "));
        panic!("{why:?}, with the input \"{input}\" in the steps: {steps}; now {of:?}");
    }
}
