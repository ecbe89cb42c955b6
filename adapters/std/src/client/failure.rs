//! What a client says when its connection fails: the place, what was due, what came.

use std::io;

use linecho_core::ProbeError;

use super::Client;
use super::error::{ClientError, Ended};
use super::local_fault::LocalFault;
use super::mismatch::Mismatch;
use super::silence::Silence;

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

    /// Shows what was due and what came.
    pub(super) fn mismatch(&self) -> ClientError {
        let last_read = self.received.last_read;
        let wrong = self.received.total.saturating_sub(self.probe.bytes());
        let wrong = usize::try_from(wrong).unwrap_or(last_read).min(last_read);
        let (right, wrong) = self.scratch[..last_read].split_at(last_read - wrong);
        let mut before = self.received.before.clone();
        before.extend_from_slice(right);
        let (place, due) = (self.probe.position(), self.probe.expected());
        ClientError::Mismatch(Box::new(Mismatch::new(place, &before, due, wrong)))
    }
}
