//! What a client says when its connection fails: the place, what was due, what came.

use std::io;

use linecho_core::ProbeError;

use super::Client;
use super::error::{ClientError, Ended};
use super::local_fault::LocalFault;
use super::mismatch::{KEPT, Mismatch};
use super::silence::Silence;
use super::suspect::Suspect;

impl Client {
    pub(super) fn silence(&self) -> Silence {
        let (before, now) = (self.segments_at_first, self.received_segments());
        let own = self.local_addr().ok();
        Silence {
            place: self.probe.position(),
            waited: self.timeout,
            returned: self.probe.bytes(),
            half_closed: self.half_closed,
            tcp: self.tcp_info(),
            segments_meanwhile: before
                .zip(now)
                .map(|(before, now)| now.wrapping_sub(before)),
            local_fault: own.and_then(|own| LocalFault::of(own.ip())),
            // TCP tries on after such an error, and only tells of it when it is asked.
            reported: self.stream.take_error().ok().flatten(),
        }
    }

    /// The connection failed, or what we need to wait for it.
    pub(super) fn failed(&self, error: io::Error) -> ClientError {
        let place = self.probe.position();
        ClientError::Io { place, error }
    }

    pub(super) fn output_failed(&self, error: io::Error) -> ClientError {
        let place = self.probe.position();
        ClientError::Output { place, error }
    }

    pub(super) fn ended(&self) -> ClientError {
        let missing = match self.probe.end_of_input() {
            Err(ProbeError::Missing { bytes, .. }) => bytes,
            _ => 0,
        };
        ClientError::Ended(Ended {
            place: self.probe.position(),
            returned: self.probe.bytes(),
            missing,
            half_closed: self.half_closed,
            silence: self.heard.elapsed(),
        })
    }

    /// Shows both sides from the beginning of the line, if that is near.
    pub(super) fn mismatch(&self) -> ClientError {
        let last_read = self.received.last_read;
        let wrong = self.received.total.saturating_sub(self.probe.bytes());
        let wrong = usize::try_from(wrong).unwrap_or(last_read).min(last_read);
        let (right, wrong) = self.scratch[..last_read].split_at(last_read - wrong);
        let mut before = self.received.before.clone();
        before.extend_from_slice(right);
        let line = memchr::memrchr(b'\n', &before).map_or(0, |newline| newline + 1);
        let begun = &before[line.max(before.len().saturating_sub(KEPT / 4))..];
        let due = self.probe.expected();
        let last = match begun.is_empty() {
            true => {
                &before[memchr::memrchr(b'\n', &before[..line.saturating_sub(1)])
                    .map_or(0, |newline| newline + 1)..]
            }
            false => begun,
        };
        let from_here = |bytes: &[u8]| {
            let mut whole = begun.to_vec();
            whole.extend_from_slice(&bytes[..bytes.len().min(KEPT - begun.len())]);
            whole
        };
        ClientError::Mismatch(Box::new(Mismatch {
            place: self.probe.position(),
            expected: match due.is_empty() && begun.is_empty() {
                true => Vec::new(),
                false => from_here(first_line(due)),
            },
            came: from_here(wrong),
            common: begun.len(),
            suspect: Suspect::find(last, due, wrong),
        }))
    }
}

/// The bytes up to the end of the first line.
fn first_line(bytes: &[u8]) -> &[u8] {
    &bytes[..memchr::memchr(b'\n', bytes).map_or(bytes.len(), |newline| newline + 1)]
}
