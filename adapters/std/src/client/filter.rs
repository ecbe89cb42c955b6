//! A client as a filter: its input goes out, what comes back goes to its output.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::time::{Duration, Instant};

use super::Client;
use super::error::ClientError;
use super::input::Input;
use super::turn::Step;
use crate::Identity;

/// The work of a [filter](Client::filter) in which everything came back.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FilterSummary {
    /// Lines that came back, the unterminated rest not counted.
    pub lines: u64,
    /// Bytes that came back.
    pub bytes: u64,
    /// The end of the connection.
    pub ending: Ending,
    /// The server's identity, if it has told it.
    pub identity: Option<Box<Identity>>,
}

/// The end of a connection on which everything had come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ending {
    /// The server closed, as it should.
    Closed,
    /// The connection was reset.
    Reset,
    /// Nothing came within the [`linger`](super::ClientBuilder::linger) time.
    Open,
}

impl Client {
    /// Sends all of `input` and writes what comes back to `output` as it came.
    ///
    /// It half-closes when the input has ended and all complete lines have come back, not before:
    /// many relays drop what is on its way when a client half-closes. Then the unterminated rest
    /// has to come back and the server to close. A server that does not close in time is no
    /// error, since everything was verified. `input` is read in a thread of its own, which ends
    /// with the input.
    ///
    /// # Errors
    ///
    /// [`ClientError`] with the place of the first byte that did not come back right; what came
    /// before it has been written. The server's end, a reset, or bytes that nobody asked for are
    /// errors at once, also while the input pauses.
    pub fn filter(
        mut self,
        input: impl Read + Send + 'static,
        output: &mut impl Write,
    ) -> Result<FilterSummary, ClientError> {
        let mut input = self.input(input).map_err(ClientError::Input)?;
        let result = self.pass_through(&mut input, output);
        // Also before an error: what came back is shown.
        let flushed = output.flush();
        let ending = result?;
        flushed.map_err(|error| self.output_failed(error))?;
        Ok(FilterSummary {
            lines: self.probe.lines(),
            bytes: self.probe.bytes(),
            ending,
            identity: self.identity().cloned().map(Box::new),
        })
    }

    fn pass_through(
        &mut self,
        input: &mut Input,
        output: &mut impl Write,
    ) -> Result<Ending, ClientError> {
        loop {
            let all_queued = self.queue_input(input)?;
            let step = self.turn(output, |_| ())?;
            let all_sent = all_queued && input.has_ended();
            match step {
                Step::Ended if all_sent => return Ok(Ending::Closed),
                Step::Ended => return Err(self.ended()),
                Step::Again => {}
                Step::Answered if all_sent => {
                    self.half_close();
                    return self.wait_for_end(output);
                }
                // The rest of the last line is owed only from then on.
                Step::Wait if all_sent && self.is_answered() && !self.half_closed => {
                    self.half_close();
                    self.heard = Instant::now();
                }
                Step::Wait if self.half_closed => self.wait()?,
                // The server owes nothing before more has been sent.
                _ if all_queued && self.is_answered() => {
                    output.flush().map_err(|error| self.output_failed(error))?;
                    self.poll(None)?;
                    self.heard = Instant::now();
                }
                Step::Wait if all_queued || self.make_room() == 0 => self.wait()?,
                Step::Wait | Step::Answered => {}
            }
        }
    }

    /// Queues what has come in, as much as there is room for. Returns whether that was all.
    fn queue_input(&mut self, input: &mut Input) -> Result<bool, ClientError> {
        while self.make_room() > 0 {
            let mut bytes = input.bytes().map_err(ClientError::Input)?;
            if bytes.is_empty() {
                return Ok(true);
            }
            let before = bytes.len();
            self.queue(&mut bytes);
            let queued = before - bytes.len();
            input.consume(queued);
        }
        Ok(false)
    }

    fn half_close(&mut self) {
        self.half_closed = true;
        // When that fails the connection is gone, which the next read will say better.
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    /// Everything was verified; what can still come is the end, or bytes too many.
    fn wait_for_end(&mut self, output: &mut impl Write) -> Result<Ending, ClientError> {
        output.flush().map_err(|error| self.output_failed(error))?;
        let began = Instant::now();
        loop {
            match self.turn(output, |_| ()) {
                Ok(Step::Ended) => return Ok(Ending::Closed),
                Err(ClientError::Io { error, .. }) if error.kind() != io::ErrorKind::TimedOut => {
                    return Ok(Ending::Reset);
                }
                other => other?,
            };
            let left = self.linger.saturating_sub(began.elapsed());
            if left.is_zero() && !self.linger.is_zero() {
                return Ok(Ending::Open);
            }
            self.poll((!self.linger.is_zero()).then_some(left.max(Duration::from_millis(1))))?;
        }
    }
}
