//! Ethernet frames over a UNIX stream socket, each behind its length as a 32-bit big-endian number.
//!
//! This is what [passt](https://passt.top/passt/about/) speaks, and QEMU with `-netdev stream` (or
//! `-netdev socket`). passt needs no privilege: it makes of each connection one of its own.

use std::error::Error;
use std::fmt;
use std::io::{self, Read, Write};
use std::ops::{Range, RangeInclusive};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use smoltcp::phy::{self, Device, DeviceCapabilities, Medium};
use smoltcp::time::Instant;

/// Bytes of the length before each frame, which does not count itself.
const LENGTH_LEN: usize = 4;
const ETHERNET_HEADER_LEN: usize = 14;
/// The longest frame that is taken, in bytes: the longest IP packet, with a VLAN tag.
const MAX_FRAME_LEN: usize = 65_535 + ETHERNET_HEADER_LEN + 4;
/// Room for the longest frame and the beginning of another, in bytes: a system call moves many frames.
const QUEUE_LEN: usize = 128 * 1024;

/// The MTUs that a [`FramedStream`] can have, in IP bytes: from the packet that every IPv4 host must be
/// able to take (RFC 791) to the longest that there is.
pub const MTUS: RangeInclusive<usize> = 576..=65_535;

/// Frames over a UNIX stream socket.
///
/// The socket does not block. While it takes no more, frames wait in a fixed buffer; when that is full,
/// the device takes none until there is room. A program that finds [`is_blocked`](Self::is_blocked)
/// waits until the socket can be written, with
/// [`Interest::read_write`](super::Interest::read_write), and not for the deadline of the stack, which
/// would be "now".
pub struct FramedStream {
    stream: UnixStream,
    mtu: usize,
    rx: Queue,
    tx: Queue,
    counters: Counters,
    error: Option<StreamError>,
}

/// What a [`FramedStream`] has carried and what it has lost.
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

/// Why a stream could not be opened, or has ended.
#[derive(Debug)]
#[non_exhaustive]
pub enum StreamError {
    /// The MTU is not among [`MTUS`].
    BadMtu {
        /// What was asked for, in IP bytes.
        mtu: usize,
    },
    /// Nobody could be reached at the path.
    Connect {
        /// The path of the socket.
        path: PathBuf,
        /// What the kernel answered.
        source: io::Error,
    },
    /// The peer has closed the stream.
    Closed,
    /// The peer has announced a frame that is longer than any: it speaks something else, or the stream
    /// is out of step.
    FrameTooLong {
        /// The length that it announced, in bytes.
        len: u32,
    },
    /// The socket failed.
    Io(io::Error),
}

impl FramedStream {
    /// Connects to the socket at `path`. `mtu` is in IP bytes, without the Ethernet header, and one of
    /// [`MTUS`]: passt takes them all, QEMU takes that of its network.
    ///
    /// # Errors
    /// [`StreamError::Connect`], [`StreamError::BadMtu`] or [`StreamError::Io`].
    pub fn connect(path: impl AsRef<Path>, mtu: usize) -> Result<Self, StreamError> {
        let path = path.as_ref();
        let stream = UnixStream::connect(path).map_err(|source| StreamError::Connect {
            path: path.to_owned(),
            source,
        })?;
        Self::new(stream, mtu)
    }

    /// Takes over a stream that is connected already: one end of a socket pair, or what a listener has
    /// accepted. See [`connect`](Self::connect) for `mtu`.
    ///
    /// # Errors
    /// [`StreamError::BadMtu`], or [`StreamError::Io`] when the socket cannot be made non-blocking.
    pub fn new(stream: UnixStream, mtu: usize) -> Result<Self, StreamError> {
        if !MTUS.contains(&mtu) {
            return Err(StreamError::BadMtu { mtu });
        }
        stream.set_nonblocking(true).map_err(StreamError::Io)?;
        Ok(Self {
            stream,
            mtu,
            rx: Queue::new(),
            tx: Queue::new(),
            counters: Counters::default(),
            error: None,
        })
    }

    /// What the device has carried and lost so far.
    #[must_use]
    pub const fn counters(&self) -> Counters {
        self.counters
    }

    /// What has ended the stream. A program that goes on would find the socket ready for ever.
    #[must_use]
    pub const fn error(&self) -> Option<&StreamError> {
        self.error.as_ref()
    }

    /// Whether bytes wait until the socket can be written.
    #[must_use]
    pub fn is_blocked(&self) -> bool {
        self.error.is_none() && !self.tx.is_empty()
    }

    /// The next whole frame, read with at most one system call.
    fn read(&mut self) -> Option<Range<usize>> {
        if self.error.is_some() {
            return None;
        }
        let frame = match self.rx.next_frame() {
            Ok(None) => self.fill().and_then(|()| self.rx.next_frame()),
            other => other,
        };
        frame.unwrap_or_else(|error| {
            self.error = Some(error);
            None
        })
    }

    fn fill(&mut self) -> Result<(), StreamError> {
        match self.stream.read(self.rx.room()) {
            Ok(0) => Err(StreamError::Closed),
            Ok(len) => {
                self.rx.end += len;
                Ok(())
            }
            Err(error) if is_temporary(&error) => Ok(()),
            Err(error) => Err(StreamError::from_io(error)),
        }
    }

    /// Writes what waits, as far as the socket takes it.
    fn drain(&mut self) {
        if self.error.is_none()
            && let Err(error) = self.tx.write_to(&self.stream)
        {
            self.error = Some(error);
        }
    }
}

/// The stream is non-blocking, and a signal may come at any time.
fn is_temporary(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
    )
}

/// Bytes of the stream, oldest first, in one piece.
struct Queue {
    /// The queue, and behind it the place for a frame that is to be dropped.
    bytes: Box<[u8]>,
    start: usize,
    end: usize,
}

impl Queue {
    fn new() -> Self {
        Self {
            bytes: vec![0; QUEUE_LEN + MAX_FRAME_LEN].into_boxed_slice(),
            start: 0,
            end: 0,
        }
    }

    const fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// All the room that there is, behind what is queued.
    fn room(&mut self) -> &mut [u8] {
        if self.start > 0 {
            self.bytes.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        &mut self.bytes[self.end..QUEUE_LEN]
    }

    /// Takes a frame out, if it is there whole. The range is good until [`room`](Self::room).
    fn next_frame(&mut self) -> Result<Option<Range<usize>>, StreamError> {
        let Some((length, rest)) = self.bytes[self.start..self.end].split_first_chunk() else {
            return Ok(None);
        };
        let len = u32::from_be_bytes(*length);
        if len as usize > MAX_FRAME_LEN {
            return Err(StreamError::FrameTooLong { len });
        }
        let len = len as usize;
        if rest.len() < len {
            return Ok(None);
        }
        let frame = self.start + LENGTH_LEN;
        self.start = frame + len;
        Ok(Some(frame..frame + len))
    }

    /// Whether a frame of `len` bytes can be appended.
    fn has_room(&mut self, len: usize) -> bool {
        let needed = LENGTH_LEN + len;
        QUEUE_LEN - self.end >= needed || self.room().len() >= needed
    }

    /// Where the next frame of `len` bytes goes, with its length written before it. `None`: no room.
    fn append(&mut self, len: usize) -> Option<&mut [u8]> {
        if !self.has_room(len) {
            return None;
        }
        let length = u32::try_from(len).ok()?.to_be_bytes();
        let start = self.end + LENGTH_LEN;
        self.bytes[self.end..start].copy_from_slice(&length);
        self.end = start + len;
        Some(&mut self.bytes[start..self.end])
    }

    /// Lets `f` fill in a frame that goes nowhere.
    fn discard<R>(&mut self, len: usize, f: impl FnOnce(&mut [u8]) -> R) -> R {
        match self.bytes[QUEUE_LEN..].get_mut(..len) {
            Some(frame) => f(frame),
            // Longer than any frame: smoltcp does not ask for that.
            None => f(&mut vec![0; len]),
        }
    }

    /// Writes with at most one system call.
    fn write_to(&mut self, mut stream: &UnixStream) -> Result<(), StreamError> {
        if self.is_empty() {
            return Ok(());
        }
        match stream.write(&self.bytes[self.start..self.end]) {
            Ok(len) => self.start += len,
            Err(error) if is_temporary(&error) => {}
            Err(error) => return Err(StreamError::from_io(error)),
        }
        if self.is_empty() {
            (self.start, self.end) = (0, 0);
        }
        Ok(())
    }
}

impl fmt::Debug for FramedStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FramedStream")
            .field("stream", &self.stream)
            .field("counters", &self.counters)
            .field("error", &self.error)
            .finish_non_exhaustive()
    }
}

impl AsFd for FramedStream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

impl AsRawFd for FramedStream {
    fn as_raw_fd(&self) -> RawFd {
        self.stream.as_raw_fd()
    }
}

impl Device for FramedStream {
    type RxToken<'a> = RxToken<'a>;
    type TxToken<'a> = TxToken<'a>;

    /// Frames are received even when none can be sent, so that two ends that are both full never wait
    /// for each other. What the stack would answer at once is dropped then, and counted.
    fn receive(&mut self, _now: Instant) -> Option<(RxToken<'_>, TxToken<'_>)> {
        self.drain();
        let frame = self.read()?;
        self.counters.received += 1;
        self.counters.received_bytes += frame.len() as u64;
        let tx = TxToken {
            stream: &self.stream,
            queue: &mut self.tx,
            counters: &mut self.counters,
            error: &mut self.error,
        };
        let frame = &self.rx.bytes[frame];
        Some((RxToken { frame }, tx))
    }

    fn transmit(&mut self, _now: Instant) -> Option<TxToken<'_>> {
        self.drain();
        if self.error.is_none() && !self.tx.has_room(ETHERNET_HEADER_LEN + self.mtu) {
            return None;
        }
        Some(TxToken {
            stream: &self.stream,
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
pub struct TxToken<'a> {
    stream: &'a UnixStream,
    queue: &'a mut Queue,
    counters: &'a mut Counters,
    error: &'a mut Option<StreamError>,
}

impl phy::TxToken for TxToken<'_> {
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
        counters.sent += 1;
        counters.sent_bytes += len as u64;
        *self.error = self.queue.write_to(self.stream).err();
        result
    }
}

impl StreamError {
    fn from_io(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => Self::Closed,
            _ => Self::Io(error),
        }
    }
}

impl fmt::Display for StreamError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadMtu { mtu } => {
                let (least, most) = (MTUS.start(), MTUS.end());
                write!(
                    f,
                    "cannot use an MTU of {mtu}: it must be from {least} to {most}"
                )
            }
            Self::Connect { path, source } => {
                let path = path.display();
                write!(
                    f,
                    "cannot connect to the UNIX socket {path}: {source}\n  Start what listens there \
                     first, such as: passt --foreground --socket {path}"
                )
            }
            Self::Closed => f.write_str("the peer of the UNIX socket has closed it"),
            Self::FrameTooLong { len } => write!(
                f,
                "the peer of the UNIX socket announced a frame of {len} bytes, where {MAX_FRAME_LEN} \
                 is the most\n  It must send each Ethernet frame behind its length as a 32-bit \
                 big-endian number, as passt and QEMU's `-netdev stream` do"
            ),
            Self::Io(source) => write!(f, "the UNIX socket failed: {source}"),
        }
    }
}

impl Error for StreamError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Connect { source, .. } | Self::Io(source) => Some(source),
            Self::BadMtu { .. } | Self::Closed | Self::FrameTooLong { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests;
