//! Ethernet frames over a stream, each behind its length as a 32-bit big-endian number.
//!
//! This is what [passt](https://passt.top/passt/about/) speaks, and QEMU with `-netdev stream` (or
//! `-netdev socket`). passt needs no privilege: it ends each connection, and opens one of
//! its own to the other side.

mod error;
mod passt;
mod queue;
#[cfg(test)]
mod tests;

use std::fmt;
use std::io::{Read, Write};
use std::ops::{Range, RangeInclusive};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::path::Path;

use smoltcp::phy::{self, Device, DeviceCapabilities, Medium};
use smoltcp::time::Instant;

pub use error::StreamError;
pub use passt::Passt;

use queue::Queue;

use crate::{segment, vlan};

const ETHERNET_HEADER_LEN: usize = 14;

/// The MTUs that a [`FramedStream`] can have, in IP bytes: from the packet that every IPv4 host
/// must be able to receive (RFC 791) to the longest possible one.
pub const MTUS: RangeInclusive<usize> = 576..=65_535;

/// Frames over a stream, such as a UNIX stream socket.
///
/// The stream does not block. While the kernel takes no more, frames wait in a fixed buffer; when
/// that is full, the device takes no frame from the stack. While [`is_blocked`](Self::is_blocked)
/// returns `true`, a program should wait until the socket can be written, with
/// [`Interest::read_write`](super::Interest::read_write). The deadline of the stack is "now" then,
/// and would make it a busy loop.
///
/// TCP windows are announced a little smaller than they are: `segment.rs` says why. A priority tag
/// of a received frame (VLAN 0) is taken off. For a passt of 2022 or 2023, put a [`Passt`] around
/// the stream.
pub struct FramedStream<S = UnixStream> {
    stream: S,
    mtu: usize,
    rx: Queue,
    tx: Queue,
    counters: Counters,
    error: Option<StreamError>,
}

/// Frames that a [`FramedStream`] has carried and lost.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counters {
    /// Frames handed to the stack.
    pub received: u64,
    /// Bytes of those frames.
    pub received_bytes: u64,
    /// Frames taken from the stack.
    pub sent: u64,
    /// Bytes of those frames.
    pub sent_bytes: u64,
    /// Answers to a received frame that were dropped since the buffer was full.
    pub dropped_full: u64,
    /// Frames dropped after the stream had ended.
    pub dropped_ended: u64,
}

impl FramedStream {
    /// Connects to the socket at `path`. `mtu` is in IP bytes, without the Ethernet header, and one
    /// of [`MTUS`]: passt takes them all, QEMU takes that of its network.
    ///
    /// # Errors
    ///
    /// [`StreamError::Connect`], [`StreamError::BadMtu`] or [`StreamError::Io`].
    pub fn connect(path: impl AsRef<Path>, mtu: usize) -> Result<Self, StreamError> {
        let path = path.as_ref();
        let stream = UnixStream::connect(path).map_err(|source| StreamError::Connect {
            path: path.to_owned(),
            source,
        })?;
        Self::new(stream, mtu)
    }

    /// Takes over a stream that is connected already: one end of a socket pair, or what a listener
    /// has accepted. See [`connect`](Self::connect) for `mtu`.
    ///
    /// # Errors
    ///
    /// [`StreamError::BadMtu`], or [`StreamError::Io`] when the socket cannot be made non-blocking.
    pub fn new(stream: UnixStream, mtu: usize) -> Result<Self, StreamError> {
        stream.set_nonblocking(true).map_err(StreamError::Io)?;
        Self::over(stream, mtu)
    }
}

impl<S> FramedStream<S> {
    /// Takes over any stream that does not block, such as a TCP connection to QEMU. See
    /// [`connect`](FramedStream::connect) for `mtu`.
    ///
    /// # Errors
    ///
    /// [`StreamError::BadMtu`].
    pub fn over(stream: S, mtu: usize) -> Result<Self, StreamError> {
        if !MTUS.contains(&mtu) {
            return Err(StreamError::BadMtu { mtu });
        }
        Ok(Self {
            stream,
            mtu,
            rx: Queue::new(),
            tx: Queue::new(),
            counters: Counters::default(),
            error: None,
        })
    }

    /// Returns the numbers of frames carried and lost so far.
    #[must_use]
    pub const fn counters(&self) -> Counters {
        self.counters
    }

    /// Returns the error that has ended the stream. A program must not wait for the socket
    /// any more: it is always ready.
    #[must_use]
    pub const fn error(&self) -> Option<&StreamError> {
        self.error.as_ref()
    }

    /// Returns whether bytes wait until the socket can be written.
    #[must_use]
    pub fn is_blocked(&self) -> bool {
        self.error.is_none() && !self.tx.is_empty()
    }
}

impl<S: Read + Write> FramedStream<S> {
    /// Takes the next frame, with the room for an answer to it.
    fn next(&mut self) -> Option<(&mut [u8], TxToken<'_, S>)> {
        self.drain();
        let frame = self.read()?;
        self.counters.received += 1;
        self.counters.received_bytes += frame.len() as u64;
        let frame = self.rx.frame(frame);
        let start = vlan::strip_priority_tag(frame);
        let tx = TxToken {
            stream: &mut self.stream,
            queue: &mut self.tx,
            counters: &mut self.counters,
            error: &mut self.error,
        };
        Some((&mut frame[start..], tx))
    }

    /// Returns the next whole frame, read with at most one system call.
    fn read(&mut self) -> Option<Range<usize>> {
        if self.error.is_some() {
            return None;
        }
        let frame = match self.rx.next_frame() {
            Ok(None) => self
                .rx
                .read_from(&mut self.stream)
                .and_then(|()| self.rx.next_frame()),
            other => other,
        };
        frame.unwrap_or_else(|error| {
            self.error = Some(error);
            None
        })
    }

    /// Writes as much of the waiting frames as the socket takes.
    fn drain(&mut self) {
        if self.error.is_none() {
            self.error = self.tx.write_to(&mut self.stream).err();
        }
    }
}

impl<S: fmt::Debug> fmt::Debug for FramedStream<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FramedStream")
            .field("stream", &self.stream)
            .field("counters", &self.counters)
            .field("error", &self.error)
            .finish_non_exhaustive()
    }
}

impl<S: AsFd> AsFd for FramedStream<S> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

impl<S: AsRawFd> AsRawFd for FramedStream<S> {
    fn as_raw_fd(&self) -> RawFd {
        self.stream.as_raw_fd()
    }
}

impl<S: Read + Write> Device for FramedStream<S> {
    type RxToken<'a>
        = RxToken<'a>
    where
        S: 'a;
    type TxToken<'a>
        = TxToken<'a, S>
    where
        S: 'a;

    /// Frames are received even when none can be sent, so that two ends that are both full never
    /// wait for each other. What the stack would answer at once is dropped then, and counted.
    fn receive(&mut self, _now: Instant) -> Option<(RxToken<'_>, TxToken<'_, S>)> {
        let (frame, tx) = self.next()?;
        Some((RxToken { frame }, tx))
    }

    fn transmit(&mut self, _now: Instant) -> Option<TxToken<'_, S>> {
        self.drain();
        if self.error.is_none() && !self.tx.has_room(ETHERNET_HEADER_LEN + self.mtu) {
            return None;
        }
        Some(TxToken {
            stream: &mut self.stream,
            queue: &mut self.tx,
            counters: &mut self.counters,
            error: &mut self.error,
        })
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = ETHERNET_HEADER_LEN + self.mtu;
        capabilities
    }
}

/// A frame from the peer.
pub struct RxToken<'a> {
    frame: &'a [u8],
}

impl phy::RxToken for RxToken<'_> {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(self.frame)
    }
}

/// Room for a frame to the peer.
pub struct TxToken<'a, S = UnixStream> {
    stream: &'a mut S,
    queue: &'a mut Queue,
    counters: &'a mut Counters,
    error: &'a mut Option<StreamError>,
}

impl<S: Write> phy::TxToken for TxToken<'_, S> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let counters = self.counters;
        if self.error.is_some() {
            counters.dropped_ended += 1;
            return self.queue.discard(len, f);
        }
        let Some(frame) = self.queue.append(len) else {
            counters.dropped_full += 1;
            return self.queue.discard(len, f);
        };
        let result = f(frame);
        segment::announce_less(frame);
        counters.sent += 1;
        counters.sent_bytes += len as u64;
        *self.error = self.queue.write_to(self.stream).err();
        result
    }
}
