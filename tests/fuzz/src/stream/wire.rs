//! A stream in memory, which the input cuts short, interrupts and fills.

use std::cell::RefCell;
use std::io::{self, ErrorKind, Read, Write};
use std::rc::Rc;

/// What the stream and its peer share.
#[derive(Default)]
pub(super) struct Wire {
    /// All that the peer has sent, of which the device has read the first `taken` bytes.
    pub(super) to_device: Vec<u8>,
    pub(super) taken: usize,
    /// All that the device has written.
    pub(super) from_device: Vec<u8>,
    /// The stream takes so many bytes more.
    pub(super) room: usize,
    /// One call moves so many bytes at most.
    pub(super) most: usize,
    /// The next call is interrupted by a signal.
    pub(super) interrupted: bool,
    /// The peer has closed; this is what a write fails with.
    pub(super) closed: Option<ErrorKind>,
}

/// The device's end.
#[derive(Clone)]
pub(super) struct Stream(pub(super) Rc<RefCell<Wire>>);

impl Wire {
    fn fails(&mut self) -> io::Result<()> {
        if std::mem::take(&mut self.interrupted) {
            return Err(ErrorKind::Interrupted.into());
        }
        Ok(())
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let wire = &mut *self.0.borrow_mut();
        wire.fails()?;
        let rest = &wire.to_device[wire.taken..];
        let len = rest.len().min(buffer.len()).min(wire.most);
        if len == 0 && wire.closed.is_none() {
            return Err(ErrorKind::WouldBlock.into());
        }
        buffer[..len].copy_from_slice(&rest[..len]);
        wire.taken += len;
        Ok(len)
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let wire = &mut *self.0.borrow_mut();
        wire.fails()?;
        if let Some(kind) = wire.closed {
            return Err(kind.into());
        }
        let len = bytes.len().min(wire.room).min(wire.most);
        if len == 0 {
            return Err(ErrorKind::WouldBlock.into());
        }
        wire.room -= len;
        wire.from_device.extend_from_slice(&bytes[..len]);
        Ok(len)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
