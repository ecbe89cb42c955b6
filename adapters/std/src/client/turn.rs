//! A turn of the connection: what goes out, what comes in, and the wait for either.

use std::io::{self, Write};
use std::time::{Duration, Instant};

use embedded_io::{ErrorKind, Read as _, ReadReady as _};
use linecho_core::polled::{self, ProbeTurn};
use linecho_core::{Probe, ProbeError};

use super::error::ClientError;
use super::tee::Tee;
use super::{BUFFER, Client, SOCKET, WINDOW};
use crate::socket::Socket;

/// The longest line that a filter keeps whole. Of a longer one it keeps the last part in flight,
/// and relies on the server to give long lines back in pieces.
const LONGEST_LINE: usize = 64 * 1024 * 1024;
/// Reads in a turn before the input is looked after.
const BUDGET: usize = 4 * BUFFER;
/// The longest wait for events: kevent(2) refuses more than three years.
const LONGEST_SLEEP: Duration = Duration::from_secs(3600);

/// The next thing that a client can do after a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Go on: there is more to do now.
    Again,
    /// Wait for the connection.
    Wait,
    /// Everything that was queued has come back.
    Answered,
    /// Everything that was queued has come back, and the server has closed.
    Ended,
}

impl Client {
    /// Ends the wait for the rest of a greeting. What has come of it is wrong then.
    pub(super) fn end_beginning(&mut self) -> Result<(), ClientError> {
        if !self.beginning.is_open() {
            return Ok(());
        }
        self.beginning.give_up();
        self.turn(&mut io::sink(), |_| ()).map(|_| ())
    }

    /// Queues lines and the beginning of the next, as much as there is room for.
    pub(super) fn queue(&mut self, bytes: &mut &[u8]) {
        while !bytes.is_empty() && self.make_room() > 0 {
            let line = memchr::memchr(b'\n', bytes).map_or(bytes.len(), |newline| newline + 1);
            let (piece, rest) = bytes.split_at(line.min(self.probe.room()));
            if self.probe.queue(piece).is_err() {
                break;
            }
            *bytes = rest;
        }
    }

    /// Returns how many bytes can be queued. When one unfinished line fills the storage, its end
    /// must be sent before any of it can be expected back, and the storage grows.
    pub(super) fn make_room(&mut self) -> usize {
        let capacity = self.probe.capacity();
        let is_full = self.probe.is_within_line() && self.probe.room() == 0;
        if is_full && capacity < LONGEST_LINE {
            let larger = vec![0; capacity * 2].into_boxed_slice();
            // It holds what the smaller one held.
            let _ = self.probe.replace_storage(larger);
        }
        self.probe.room()
    }

    /// True if everything has been sent, and all of it that is due has come back.
    pub(super) fn is_answered(&self) -> bool {
        self.probe.output().is_empty() && (self.probe.is_done() || self.probe.is_within_line())
    }

    /// Sends what is queued and checks what came, also when nothing was to come.
    pub(super) fn turn(
        &mut self,
        copy: &mut impl Write,
        on_line: impl FnMut(Duration),
    ) -> Result<Step, ClientError> {
        let now = self.began.elapsed().as_micros();
        let now = linecho_core::Instant::from_micros(u64::try_from(now).unwrap_or(u64::MAX));
        let socket = Socket {
            stream: &self.stream,
            ready: &mut self.ready,
        };
        let mut tee = Tee::new(socket, &mut self.beginning, copy, &mut self.received);
        let mut result = polled::exchange(
            &mut self.probe,
            &mut tee,
            &mut self.scratch,
            now,
            BUDGET,
            on_line,
        );
        if result == Ok(ProbeTurn::Done) {
            let listened = listen(&mut self.probe, &mut tee, &mut self.scratch, now);
            result = listened.map(|()| ProbeTurn::Done);
        }
        let (failed, output_failed) = (tee.failed, tee.output_failed);
        // Afterwards, so that the time that the output took does not count.
        if tee.moved {
            self.heard = Instant::now();
        }
        if let Some(error) = output_failed {
            return Err(self.output_failed(error));
        }
        match (result, failed) {
            (Err(ProbeError::Mismatch { .. } | ProbeError::Unsent { .. }), _) => {
                Err(self.mismatch())
            }
            // To write to a server that has closed is what failed: it had ended before.
            (Err(ProbeError::Missing { .. }), Some(error))
                if error.kind() != io::ErrorKind::BrokenPipe =>
            {
                Err(self.failed(error))
            }
            (Err(ProbeError::Missing { .. }), _) => Err(self.ended()),
            (_, Some(error)) => Err(self.failed(error)),
            (Err(error), None) => Err(self.failed(io::Error::other(error.to_string()))),
            (Ok(ProbeTurn::Again), None) => Ok(Step::Again),
            (Ok(ProbeTurn::Wait { .. }), None) => Ok(Step::Wait),
            (Ok(ProbeTurn::Done), None) if self.received.ended => Ok(Step::Ended),
            (Ok(ProbeTurn::Done), None) => Ok(Step::Answered),
        }
    }

    /// Waits until the socket or the input may have more; not longer than the timeout.
    pub(super) fn wait(&mut self) -> Result<(), ClientError> {
        if self.timeout.is_zero() {
            return self.poll(None);
        }
        let waited = self.heard.elapsed();
        // In the rest a peer repeats at least once what was not acknowledged: it doubles its waits.
        let first = (self.timeout / 3).saturating_sub(waited);
        if !first.is_zero() {
            self.segments_at_first = None;
            return self.poll(Some(first));
        }
        if self.segments_at_first.is_none() {
            self.segments_at_first = self.received_segments();
        }
        let left = self.timeout.saturating_sub(waited);
        self.poll(Some(left))?;
        // We may have been stopped (Ctrl-Z) while the server was not.
        if left.is_zero() && self.events.is_empty() {
            if self.beginning.is_open() {
                // The next turn finds that it is not what was due.
                self.beginning.give_up();
                return Ok(());
            }
            return Err(ClientError::TimedOut(Box::new(self.silence())));
        }
        Ok(())
    }

    pub(super) fn received_segments(&self) -> Option<u32> {
        self.tcp_info().and_then(|it| it.received_segments)
    }

    pub(super) fn poll(&mut self, timeout: Option<Duration>) -> Result<(), ClientError> {
        let timeout = timeout.map(|it| it.min(LONGEST_SLEEP));
        while let Err(error) = self.poll.poll(&mut self.events, timeout) {
            if error.kind() != io::ErrorKind::Interrupted {
                return Err(self.failed(error));
            }
        }
        for event in &self.events {
            if event.token() == SOCKET {
                self.ready.note(event);
            }
        }
        Ok(())
    }
}

/// Looks whether something came though everything has come back: the end, or bytes too many.
fn listen<W: Write>(
    probe: &mut Probe<Box<[u8]>, WINDOW>,
    tee: &mut Tee<'_, W>,
    scratch: &mut [u8],
    now: linecho_core::Instant,
) -> Result<(), ProbeError> {
    while !tee.has_ended() && tee.read_ready().map_err(ProbeError::Io)? {
        match tee.read(scratch) {
            Ok(0) | Err(ErrorKind::Interrupted) => return Ok(()),
            Ok(n) => probe.check(&scratch[..n], now, &mut |_| ())?,
            Err(kind) => return Err(ProbeError::Io(kind)),
        }
    }
    Ok(())
}
