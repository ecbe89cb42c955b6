//! A transport that does what a script says, and fails the test when a driver does what none may:
//! read into an empty slice, write nothing, flush nothing, (polled) call without asking first, or
//! wait for input while something is not flushed.

use std::collections::VecDeque;

use linecho_core::embedded_io::{ErrorKind, ErrorType, Read, ReadReady, Write, WriteReady};

/// The result of the next call. At the end of its script a transport has nothing more to read, and
/// takes everything that is written.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Step {
    /// These bytes are there to read, in as many reads as it takes.
    Gives(&'static [u8]),
    /// A write takes at most this many bytes.
    Takes(usize),
    /// Not ready, once: polled, the question is answered with no; async, the call is pending.
    NotReady,
    /// Not ready for good.
    Never,
    /// The call is interrupted; polled, after readiness was promised.
    Interrupted,
    /// `Ok(0)`: for a read the end of input, for a write nothing taken.
    Zero,
    /// A read is `Ok(0)`, once.
    Empty,
    /// The call fails.
    Fails(ErrorKind),
    /// Asking for readiness fails.
    FailsToAsk(ErrorKind),
}

use Step::*;

/// No driver makes more calls in any test: one that does would go on for ever.
const MOST_CALLS: usize = 1_000_000;

#[derive(Debug, Default)]
pub(crate) struct Scripted {
    reads: VecDeque<Step>,
    writes: VecDeque<Step>,
    flushes: VecDeque<Step>,
    /// Everything that was written, in order.
    pub(crate) output: Vec<u8>,
    /// The bytes of it that were flushed.
    flushed: usize,
    /// The number of writes, and of flushes that finished.
    pub(crate) written_and_flushed: (usize, usize),
    /// The number of calls of `read` and `write`.
    pub(crate) calls: usize,
    /// The number of all calls, of questions for readiness, too.
    bounded: usize,
    must_ask: bool,
    may_hold_back: bool,
    may_read: bool,
    may_write: bool,
}

impl Scripted {
    /// A transport whose `read` and `write` block.
    pub(crate) fn blocking(reads: &[Step], writes: &[Step]) -> Self {
        Self {
            reads: reads.iter().copied().collect(),
            writes: writes.iter().copied().collect(),
            ..Self::default()
        }
    }

    /// A transport that must be asked for readiness before each call.
    pub(crate) fn polled(reads: &[Step], writes: &[Step]) -> Self {
        Self {
            must_ask: true,
            ..Self::blocking(reads, writes)
        }
    }

    /// The same transport, with a script for flushes, which otherwise all finish.
    pub(crate) fn flushing(mut self, flushes: &[Step]) -> Self {
        self.flushes = flushes.iter().copied().collect();
        self
    }

    /// The same transport, which may be waited for while it holds something back.
    pub(crate) fn holding_back(mut self) -> Self {
        self.may_hold_back = true;
        self
    }

    /// The number of calls of `read` and `write` that were reads.
    #[cfg(feature = "async")]
    pub(crate) fn reads(&self) -> usize {
        self.calls - self.written_and_flushed.0
    }

    /// Returns true if something that was written has not been flushed.
    pub(crate) fn holds_back(&self) -> bool {
        self.flushed < self.output.len()
    }

    /// Adds a step to the script of reads.
    pub(crate) fn arrives(&mut self, step: Step) {
        self.reads.push_back(step);
    }

    /// Blocks from now on, in place of being asked.
    pub(crate) fn block(&mut self) {
        self.must_ask = false;
    }

    pub(crate) fn writes_go_on(&mut self) {
        self.writes.clear();
    }

    /// Returns true if all that was there to read has been read.
    pub(crate) fn is_read_out(&self) -> bool {
        self.reads.is_empty()
    }

    /// Fails the test when the driver goes on for ever.
    fn bound(&mut self) {
        self.bounded += 1;
        assert!(self.bounded < MOST_CALLS, "the driver goes on for ever");
    }

    /// `None`: would have to wait.
    fn try_read(&mut self, buffer: &mut [u8]) -> Option<Result<usize, ErrorKind>> {
        self.bound();
        assert!(!buffer.is_empty(), "read into an empty slice");
        let result = match self.reads.pop_front()? {
            NotReady => return None,
            Never => {
                self.reads.push_front(Never);
                return None;
            }
            Gives(bytes) => {
                let n = bytes.len().min(buffer.len());
                buffer[..n].copy_from_slice(&bytes[..n]);
                if n < bytes.len() {
                    self.reads.push_front(Gives(&bytes[n..]));
                }
                Ok(n)
            }
            Interrupted => Err(ErrorKind::Interrupted),
            Empty => Ok(0),
            Zero => {
                self.reads.push_front(Zero);
                Ok(0)
            }
            Fails(kind) => Err(kind),
            step => panic!("{step:?} is not for reads"),
        };
        self.calls += 1;
        Some(result)
    }

    /// `None`: would have to wait.
    fn try_write(&mut self, bytes: &[u8]) -> Option<Result<usize, ErrorKind>> {
        self.bound();
        assert!(!bytes.is_empty(), "an empty write");
        let limit = match self.writes.pop_front() {
            None => usize::MAX,
            Some(Takes(n)) => n,
            Some(NotReady) => return None,
            Some(Never) => {
                self.writes.push_front(Never);
                return None;
            }
            Some(Zero) => 0,
            Some(Interrupted) => {
                self.calls += 1;
                return Some(Err(ErrorKind::Interrupted));
            }
            Some(Fails(kind)) => {
                self.calls += 1;
                return Some(Err(kind));
            }
            Some(step) => panic!("{step:?} is not for writes"),
        };
        self.calls += 1;
        let n = bytes.len().min(limit);
        self.output.extend_from_slice(&bytes[..n]);
        self.written_and_flushed.0 += 1;
        Some(Ok(n))
    }

    /// `None`: would have to wait.
    fn try_flush(&mut self) -> Option<Result<(), ErrorKind>> {
        self.bound();
        assert!(self.holds_back(), "flushed nothing");
        match self.flushes.pop_front() {
            None => {}
            Some(NotReady) => return None,
            Some(Never) => {
                self.flushes.push_front(Never);
                return None;
            }
            Some(Interrupted) => return Some(Err(ErrorKind::Interrupted)),
            Some(Fails(kind)) => return Some(Err(kind)),
            Some(step) => panic!("{step:?} is not for flushes"),
        }
        self.flushed = self.output.len();
        self.written_and_flushed.1 += 1;
        Some(Ok(()))
    }
}

impl ErrorType for Scripted {
    type Error = ErrorKind;
}

impl Read for Scripted {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, ErrorKind> {
        assert!(
            !self.must_ask || std::mem::take(&mut self.may_read),
            "read without asking for readiness"
        );
        assert!(
            self.must_ask || self.may_hold_back || !self.holds_back(),
            "waits with something unflushed"
        );
        self.try_read(buffer)
            .expect("the read would block for ever")
    }
}

impl Write for Scripted {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, ErrorKind> {
        assert!(
            !self.must_ask || std::mem::take(&mut self.may_write),
            "write without asking for readiness"
        );
        self.try_write(bytes)
            .expect("the write would block for ever")
    }

    fn flush(&mut self) -> Result<(), ErrorKind> {
        self.try_flush().expect("the flush would block for ever")
    }
}

fn ask(steps: &mut VecDeque<Step>, at_end: bool) -> Result<bool, ErrorKind> {
    match steps.front() {
        None => Ok(at_end),
        Some(Never) => Ok(false),
        Some(NotReady) => {
            steps.pop_front();
            Ok(false)
        }
        Some(&FailsToAsk(kind)) => Err(kind),
        Some(_) => Ok(true),
    }
}

impl ReadReady for Scripted {
    fn read_ready(&mut self) -> Result<bool, ErrorKind> {
        self.bound();
        self.may_read = ask(&mut self.reads, false)?;
        Ok(self.may_read)
    }
}

impl WriteReady for Scripted {
    fn write_ready(&mut self) -> Result<bool, ErrorKind> {
        self.bound();
        self.may_write = ask(&mut self.writes, true)?;
        Ok(self.may_write)
    }
}

#[cfg(feature = "async")]
mod asynchronous {
    use std::future::poll_fn;
    use std::task::Poll;

    use super::{ErrorKind, Scripted};

    impl embedded_io_async::Read for Scripted {
        async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, ErrorKind> {
            poll_fn(|_| self.try_read(buffer).map_or(Poll::Pending, Poll::Ready)).await
        }
    }

    impl embedded_io_async::Write for Scripted {
        async fn write(&mut self, bytes: &[u8]) -> Result<usize, ErrorKind> {
            poll_fn(|_| self.try_write(bytes).map_or(Poll::Pending, Poll::Ready)).await
        }

        async fn flush(&mut self) -> Result<(), ErrorKind> {
            poll_fn(|_| self.try_flush().map_or(Poll::Pending, Poll::Ready)).await
        }
    }
}
