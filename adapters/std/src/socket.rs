//! A socket of mio as a transport of embedded-io.

use std::io::{self, Read as _, Write as _};

use embedded_io::{ErrorType, Read, ReadReady, Write, WriteReady};
use mio::Interest;
use mio::event::Event;
use mio::net::TcpStream;

/// The events that [`Ready`] needs.
pub(crate) fn interest() -> Interest {
    let both = Interest::READABLE | Interest::WRITABLE;
    #[cfg(any(target_os = "linux", target_os = "android"))]
    let both = both | Interest::PRIORITY;
    both
}

/// The known readiness of a socket: set by events, which come once for each change
/// (edge-triggered), and cleared by reads and writes that reach its end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ready(u8);

const READ: u8 = 1;
const WRITE: u8 = 2;
/// A short read does not mean that all was read: an end or an error may follow.
const READ_ON: u8 = 4;

/// A read or write that moves less than it could has reached the end of the readiness, as epoll(7)
/// says and kqueue does; one more call to learn that would be one more call per line. On Windows,
/// mio reports the next event only after a call that found nothing.
const SHORT_IS_THE_END: bool = cfg!(unix);

impl Ready {
    /// The readiness of a new connection: an event will tell of anything that arrives.
    pub(crate) const NEW: Self = Self(WRITE);

    /// Notes an event.
    #[inline]
    pub(crate) fn note(&mut self, event: &Event) {
        if event.is_readable() {
            self.0 |= READ;
        }
        if event.is_writable() {
            self.0 |= WRITE;
        }
        // After the last bytes, the end of input or an error is still to be read. And a read stops
        // short at urgent data though more follows.
        if event.is_read_closed() || event.is_priority() {
            self.0 |= READ | READ_ON;
        }
        // The next call, whichever it is, finds the error.
        if event.is_error() || event.is_write_closed() {
            self.0 |= READ | READ_ON | WRITE;
        }
    }

    pub(crate) fn is_readable(self) -> bool {
        self.0 & READ != 0
    }

    /// Notes that the input that has come is of no use before more comes.
    pub(crate) fn clear_input(&mut self) {
        self.0 &= !(READ | READ_ON);
    }

    /// Supposes that input has arrived, event or not.
    pub(crate) fn suppose_input(&mut self) {
        self.0 |= READ | READ_ON;
    }
}

/// A stream and its readiness as a transport that never blocks. A call that the stream turns out
/// not to be ready for clears the readiness and reports `Interrupted`.
pub(crate) struct Socket<'a> {
    pub(crate) stream: &'a TcpStream,
    pub(crate) ready: &'a mut Ready,
}

impl Socket<'_> {
    /// Returns the error to report, and clears the readiness that is `gone` if the call would
    /// block.
    #[cold]
    fn failed(&mut self, error: io::Error, gone: u8) -> io::Error {
        if error.kind() == io::ErrorKind::WouldBlock {
            self.ready.0 &= !gone;
            return io::ErrorKind::Interrupted.into();
        }
        error
    }
}

impl ErrorType for Socket<'_> {
    type Error = io::Error;
}

impl Read for Socket<'_> {
    #[inline]
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self
            .stream
            .read(buffer)
            .map_err(|error| self.failed(error, READ | READ_ON))?;
        if SHORT_IS_THE_END && n < buffer.len() && self.ready.0 & READ_ON == 0 {
            self.ready.0 &= !READ;
        }
        Ok(n)
    }
}

impl Write for Socket<'_> {
    #[inline]
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = self
            .stream
            .write(bytes)
            .map_err(|error| self.failed(error, WRITE))?;
        if SHORT_IS_THE_END && n < bytes.len() {
            self.ready.0 &= !WRITE;
        }
        Ok(n)
    }

    /// Does nothing: a socket keeps nothing back (`TCP_NODELAY`).
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl ReadReady for Socket<'_> {
    #[inline]
    fn read_ready(&mut self) -> io::Result<bool> {
        Ok(self.ready.0 & READ != 0)
    }
}

impl WriteReady for Socket<'_> {
    #[inline]
    fn write_ready(&mut self) -> io::Result<bool> {
        Ok(self.ready.0 & WRITE != 0)
    }
}
