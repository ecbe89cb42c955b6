//! The file descriptor of a TAP device: what a program reads and writes there, frame by frame.

use core::num::NonZeroU16;
use core::ops::Range;
use std::fs::File;
use std::io::{self, Read, Write};

use super::vnet::Header;
use crate::window;

/// Our end of the cable.
pub(super) struct Cable {
    pub(super) tun: File,
    /// Each frame has a [`Header`] before it.
    pub(super) offloaded: bool,
    pub(super) counters: Counters,
    /// What has ended it for good.
    pub(super) error: Option<io::Error>,
}

/// What a [`Tap`](super::Tap) has carried and what it has lost, in frames where nothing else is said.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counters {
    /// Frames handed to the stack.
    pub received: u64,
    /// Bytes of those frames.
    pub received_bytes: u64,
    /// Frames dropped since their checksum was wrong (only counted here when offloaded; otherwise
    /// smoltcp drops them), or since the kernel's header contradicted them.
    pub received_corrupt: u64,
    /// Reads that failed for another reason than that nothing was there.
    pub receive_errors: u64,
    /// Frames handed to the kernel.
    pub sent: u64,
    /// Bytes of those frames.
    pub sent_bytes: u64,
    /// Frames dropped since the kernel's side was down.
    pub dropped_link_down: u64,
    /// Frames dropped since the kernel had no room.
    pub dropped_full: u64,
    /// Frames dropped for any other reason.
    pub dropped_other: u64,
}

impl Cable {
    /// Reads one frame, and returns where it is in `room`: empty if it must not reach the stack.
    /// `None` if there is none.
    ///
    /// A frame begins behind the place of a [`Header`], also where there is no header.
    pub(super) fn read(&mut self, room: &mut [u8]) -> Option<Range<usize>> {
        if self.error.is_some() {
            return None;
        }
        let start = if self.offloaded { 0 } else { Header::LEN };
        let end = match self.tun.read(&mut room[start..]) {
            Ok(len) => start + len,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return None,
            Err(error) => {
                self.counters.receive_errors += 1;
                if error.raw_os_error() == Some(libc::EBADFD) {
                    self.error = Some(error);
                }
                return None;
            }
        };
        if self.offloaded && !finish_checksum(&mut room[..end]) {
            // An empty frame, since no frame at all would end the stack's turn with others waiting.
            self.counters.received_corrupt += 1;
            return Some(0..0);
        }
        let frame = Header::LEN..end.max(Header::LEN);
        self.counters.received += 1;
        self.counters.received_bytes += frame.len() as u64;
        Some(frame)
    }

    /// Makes the frame in `bytes`, which begins behind the place of a [`Header`], ready for
    /// [`write`](Self::write). TCP payload that is longer than `segment_len` is for the kernel to cut.
    pub(super) fn prepare(&self, bytes: &mut [u8], segment_len: Option<NonZeroU16>) {
        let Some((header, frame)) = bytes.split_first_chunk_mut() else {
            return;
        };
        if self.offloaded {
            *header = Header::for_outgoing(frame, segment_len).to_bytes();
        } else {
            window::leave_room(frame);
        }
    }

    /// Writes a frame that is [prepared](Self::prepare).
    pub(super) fn write(&mut self, bytes: &[u8]) {
        let start = if self.offloaded { 0 } else { Header::LEN };
        // The kernel takes a frame whole or not at all.
        let dropped = match self.tun.write(&bytes[start..]) {
            Ok(_) => {
                self.counters.sent += 1;
                self.counters.sent_bytes += (bytes.len() - Header::LEN) as u64;
                return;
            }
            Err(error) => match error.raw_os_error() {
                Some(libc::EIO) => &mut self.counters.dropped_link_down,
                Some(libc::EAGAIN | libc::ENOBUFS | libc::ENOMEM) => {
                    &mut self.counters.dropped_full
                }
                _ => &mut self.counters.dropped_other,
            },
        };
        *dropped += 1;
    }
}

fn finish_checksum(bytes: &mut [u8]) -> bool {
    let Some((header, frame)) = bytes.split_first_chunk_mut() else {
        return false;
    };
    Header::from_bytes(header).accept_incoming(frame)
}
