//! The file descriptor of a TAP device, which is read and written frame by frame.

use core::num::NonZeroU16;
use core::ops::Range;
use std::fs::File;
use std::io::{self, Read, Write};

use super::path_mtu::PathMtus;
use super::vnet::{Header, Verdict};
use crate::{segment, vlan};

/// The descriptor, and the counts of what crossed it.
pub(super) struct Descriptor {
    pub(super) tun: File,
    /// Each frame has a [`Header`] before it.
    pub(super) offloaded: bool,
    pub(super) counters: Counters,
    /// The error that has ended the device for good.
    pub(super) error: Option<io::Error>,
    paths: PathMtus,
}

/// Counts of what a [`Tap`](super::Tap) has carried and lost, in frames unless stated otherwise.
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
    /// Fragments of TCP segments, which an offloaded device drops: no single one can be verified.
    pub received_fragments: u64,
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

impl Descriptor {
    pub(super) fn new(tun: File, offloaded: bool) -> Self {
        Self {
            tun,
            offloaded,
            counters: Counters::default(),
            error: None,
            paths: PathMtus::new(),
        }
    }

    /// Reads one frame and returns its range in `room`, which is empty if it must not reach the
    /// stack. `None` if no frame waits.
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
        let tag = room
            .get_mut(Header::LEN..end)
            .map_or(0, vlan::strip_priority_tag);
        let frame = Header::LEN + tag..end.max(Header::LEN);
        if self.offloaded {
            let dropped = match self.inspect(&mut room[..end], tag) {
                Verdict::Accept => None,
                Verdict::Corrupt => Some(&mut self.counters.received_corrupt),
                Verdict::Fragment => Some(&mut self.counters.received_fragments),
            };
            if let Some(dropped) = dropped {
                *dropped += 1;
                // An empty frame, since no frame at all would end the stack's turn with others
                // waiting.
                return Some(0..0);
            }
        }
        self.counters.received += 1;
        self.counters.received_bytes += frame.len() as u64;
        Some(frame)
    }

    /// Finishes the checksum of a frame behind its header and a VLAN tag of `tag` bytes, and learns
    /// from what routers report.
    fn inspect(&mut self, bytes: &mut [u8], tag: usize) -> Verdict {
        let Some((header, frame)) = bytes.split_first_chunk_mut() else {
            return Verdict::Corrupt;
        };
        let frame = &mut frame[tag..];
        let verdict = Header::from_bytes(header).accept_incoming(frame, tag);
        self.paths.learn(frame);
        verdict
    }

    /// Makes the frame in `bytes`, which begins behind the place of a [`Header`], ready for
    /// [`write`](Self::write). TCP payload that is longer than `segment_len` is for the kernel to
    /// cut.
    pub(super) fn prepare(&self, bytes: &mut [u8], segment_len: Option<NonZeroU16>) {
        let Some((header, frame)) = bytes.split_first_chunk_mut() else {
            return;
        };
        if self.offloaded {
            *header = Header::for_outgoing(frame, segment_len, &self.paths).to_bytes();
        } else {
            segment::announce_less(frame);
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
