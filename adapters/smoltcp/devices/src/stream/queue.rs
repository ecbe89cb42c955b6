//! Frames in the form that they have in the stream, on their way in or out.

use std::io::{self, Read, Write};
use std::ops::Range;

use super::StreamError;

/// Bytes of the length before each frame, which does not count itself.
const LENGTH_LEN: usize = 4;
/// The longest frame, in bytes: Ethernet header, VLAN tag, and the longest IP packet.
pub(super) const MAX_FRAME_LEN: usize = 14 + 4 + 65_535;
/// Room for the longest frame and the beginning of another, in bytes: a system call moves many
/// frames.
const ROOM: usize = 128 * 1024;

/// Bytes of the stream, oldest first, in one piece.
pub(super) struct Queue {
    bytes: Box<[u8]>,
    start: usize,
    end: usize,
    /// The place for frames that go nowhere, as long as the longest so far.
    nowhere: Vec<u8>,
}

impl Queue {
    pub(super) fn new() -> Self {
        Self {
            bytes: vec![0; ROOM].into_boxed_slice(),
            start: 0,
            end: 0,
            nowhere: Vec::new(),
        }
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Takes the next frame out, if all of it has arrived. [`frame`](Self::frame) takes the range,
    /// until the next [`read_from`](Self::read_from).
    pub(super) fn next_frame(&mut self) -> Result<Option<Range<usize>>, StreamError> {
        let Some((length, rest)) = self.bytes[self.start..self.end].split_first_chunk() else {
            return Ok(None);
        };
        let length = u32::from_be_bytes(*length);
        let len = length as usize;
        if len > MAX_FRAME_LEN {
            return Err(StreamError::FrameTooLong { len: length });
        }
        if rest.len() < len {
            return Ok(None);
        }
        let start = self.start + LENGTH_LEN;
        self.start = start + len;
        Ok(Some(start..start + len))
    }

    /// A frame that [`next_frame`](Self::next_frame) has taken out.
    pub(super) fn frame(&mut self, range: Range<usize>) -> &mut [u8] {
        &mut self.bytes[range]
    }

    /// Returns whether a frame of `len` bytes can be appended.
    pub(super) fn has_room(&mut self, len: usize) -> bool {
        let needed = LENGTH_LEN + len;
        ROOM - self.end >= needed || self.room().len() >= needed
    }

    /// Appends a frame of `len` bytes behind its length, and returns the room for its bytes. `None`
    /// if there is no room.
    pub(super) fn append(&mut self, len: usize) -> Option<&mut [u8]> {
        if !self.has_room(len) {
            return None;
        }
        let length = u32::try_from(len).ok()?.to_be_bytes();
        let start = self.end + LENGTH_LEN;
        self.bytes[self.end..start].copy_from_slice(&length);
        self.end = start + len;
        Some(&mut self.bytes[start..self.end])
    }

    /// Lets `f` fill in a frame, and drops it.
    pub(super) fn discard<R>(&mut self, len: usize, f: impl FnOnce(&mut [u8]) -> R) -> R {
        if self.nowhere.len() < len {
            self.nowhere.resize(len, 0);
        }
        f(&mut self.nowhere[..len])
    }

    /// Reads what has come, with one system call.
    pub(super) fn read_from(&mut self, stream: &mut impl Read) -> Result<(), StreamError> {
        match stream.read(self.room()) {
            Ok(0) => Err(StreamError::Closed),
            Ok(len) => {
                self.end += len;
                Ok(())
            }
            Err(error) => unless_temporary(error),
        }
    }

    /// Writes as much as the socket takes, with at most one system call.
    pub(super) fn write_to(&mut self, stream: &mut impl Write) -> Result<(), StreamError> {
        if self.is_empty() {
            return Ok(());
        }
        match stream.write(&self.bytes[self.start..self.end]) {
            Ok(len) => {
                self.start += len;
                Ok(())
            }
            Err(error) => unless_temporary(error),
        }
    }

    /// Moves what is queued to the front, and returns the free space behind it.
    fn room(&mut self) -> &mut [u8] {
        if self.start > 0 {
            self.bytes.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        &mut self.bytes[self.end..]
    }
}

/// The socket does not block, and a signal may come at any time: neither is an error.
fn unless_temporary(error: io::Error) -> Result<(), StreamError> {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted => Ok(()),
        io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => Err(StreamError::Closed),
        _ => Err(StreamError::Io(error)),
    }
}
