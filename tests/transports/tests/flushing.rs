//! The calls that the drivers make: a flush before a wait if something was written, no other flush,
//! and one write for a batch of lines.

use std::collections::VecDeque;
use std::convert::Infallible;

use linecho_core::embedded_io::{self, ErrorType, ReadReady, WriteReady};
use linecho_core::polled::Turn;
use linecho_core::{Config, Instant, Reason, Session, asynchronous, blocking, polled};

/// A call that a driver makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Call {
    /// Read so many bytes.
    Read(usize),
    /// Found nothing to read, and waited.
    Wait,
    Write(usize),
    Flush,
}
use Call::{Flush, Read, Wait, Write};

/// A transport on which nothing goes out before a flush. Its peer sends one batch after the other,
/// each when the driver waits for it; then it closes.
#[derive(Default)]
struct Counting {
    arrived: VecDeque<u8>,
    batches: VecDeque<Vec<u8>>,
    calls: Vec<Call>,
}

impl Counting {
    fn new(batches: &[&[u8]]) -> Self {
        Self {
            batches: batches.iter().map(|batch| batch.to_vec()).collect(),
            ..Self::default()
        }
    }

    /// The driver waits: the next batch arrives.
    fn wait(&mut self) {
        self.calls.push(Wait);
        self.arrived
            .extend(self.batches.pop_front().unwrap_or_default());
    }

    fn take(&mut self, buffer: &mut [u8]) -> usize {
        let n = std::io::Read::read(&mut self.arrived, buffer).unwrap();
        self.calls.push(Read(n));
        n
    }
}

impl ErrorType for Counting {
    type Error = Infallible;
}

impl embedded_io::Read for Counting {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Infallible> {
        if self.arrived.is_empty() {
            self.wait();
        }
        Ok(self.take(buffer))
    }
}

impl embedded_io::Write for Counting {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, Infallible> {
        self.calls.push(Write(bytes.len()));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> Result<(), Infallible> {
        self.calls.push(Flush);
        Ok(())
    }
}

impl ReadReady for Counting {
    fn read_ready(&mut self) -> Result<bool, Infallible> {
        Ok(!self.arrived.is_empty())
    }
}

impl WriteReady for Counting {
    fn write_ready(&mut self) -> Result<bool, Infallible> {
        Ok(true)
    }
}

/// The same for the async driver, whose reads really wait: once, until they are polled again.
struct Waiting(Counting);

impl ErrorType for Waiting {
    type Error = Infallible;
}

impl embedded_io_async::Read for Waiting {
    async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Infallible> {
        if self.0.arrived.is_empty() {
            tokio::task::yield_now().await;
            self.0.wait();
        }
        Ok(self.0.take(buffer))
    }
}

impl embedded_io_async::Write for Waiting {
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, Infallible> {
        embedded_io::Write::write(&mut self.0, bytes)
    }

    async fn flush(&mut self) -> Result<(), Infallible> {
        embedded_io::Write::flush(&mut self.0)
    }
}

/// The calls of the three drivers for these batches.
fn calls(batches: &[&[u8]]) -> [Vec<Call>; 3] {
    let session = || Session::new([0; 4096], Config::new(), Instant::ZERO);

    let mut blocked = Counting::new(batches);
    let reason = blocking::serve(&mut session(), &mut blocked);
    assert_eq!(reason, Reason::PeerClosed);

    let mut waiting = Waiting(Counting::new(batches));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let (now, no_sleep) = (|| Instant::ZERO, async |_| unreachable!("no deadlines"));
    let mut served = session();
    let serving = asynchronous::serve(&mut served, &mut waiting, now, no_sleep);
    assert_eq!(runtime.block_on(serving), Reason::PeerClosed);

    let mut ready = Counting::new(batches);
    let mut served = session();
    for _ in 0..=batches.len() {
        let turn = polled::serve(&mut served, &mut ready, Instant::ZERO, usize::MAX);
        let (read, write, until) = (true, false, None);
        assert_eq!(turn, Turn::Wait { read, write, until });
        ready.wait();
    }
    [blocked.calls, waiting.0.calls, ready.calls]
}

#[test]
fn a_flush_comes_once_before_a_wait_and_only_after_a_write() {
    for calls in calls(&[b"one\n", b"tw", b"o\n"]) {
        // The blocking and the async driver then read the end of input.
        let until_the_end: Vec<_> = calls
            .into_iter()
            .take_while(|&call| call != Read(0))
            .collect();
        let expected = [
            [Wait, Read(4), Write(4), Flush].as_slice(),
            &[Wait, Read(2)],
            &[Wait, Read(2), Write(4), Flush],
            &[Wait],
        ];
        assert_eq!(until_the_end, expected.concat());
    }
}

#[test]
fn what_the_end_of_input_makes_ready_is_flushed_too() {
    let [blocked, waiting, _] = calls(&[b"one\nrest"]);
    for calls in [blocked, waiting] {
        let expected = [
            Wait,
            Read(8),
            Write(4),
            Flush,
            Wait,
            Read(0),
            Write(4),
            Flush,
        ];
        assert_eq!(calls, expected);
    }
}

#[test]
fn a_batch_of_lines_is_one_write() {
    let batch = b"a line\n".repeat(100);
    for calls in calls(&[&batch]) {
        assert_eq!(calls[..4], [Wait, Read(700), Write(700), Flush]);
    }
}
