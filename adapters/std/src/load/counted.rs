//! The socket of a connection under load, as the transport of its probe.

use std::io;

use embedded_io::{ErrorKind, ErrorType, Read, ReadReady, Write, WriteReady};

use crate::client::beginning::Beginning;
use crate::socket::Socket;

/// A socket that keeps what the probe has no place for.
pub(super) struct Counted<'a> {
    pub(super) socket: Socket<'a>,
    pub(super) beginning: &'a mut Beginning,
    pub(super) moved: bool,
    /// Bytes read in this turn.
    pub(super) read: u64,
    /// The length of the last read.
    pub(super) last_read: usize,
    pub(super) ended: bool,
    pub(super) failed: Option<io::Error>,
}

impl Counted<'_> {
    fn keep(&mut self, error: io::Error) -> ErrorKind {
        let kind = error.kind().into();
        if kind != ErrorKind::Interrupted {
            self.failed.get_or_insert(error);
        }
        kind
    }
}

impl ErrorType for Counted<'_> {
    type Error = ErrorKind;
}

impl Read for Counted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, ErrorKind> {
        let result = self.beginning.read(&mut self.socket, buffer);
        let n = result.map_err(|error| self.keep(error))?;
        self.moved |= n > 0;
        self.read += n as u64;
        self.last_read = n;
        self.ended |= n == 0;
        Ok(n)
    }
}

impl Write for Counted<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, ErrorKind> {
        let n = self.socket.write(bytes).map_err(|error| self.keep(error))?;
        self.moved |= n > 0;
        Ok(n)
    }

    fn flush(&mut self) -> Result<(), ErrorKind> {
        Ok(())
    }
}

impl ReadReady for Counted<'_> {
    fn read_ready(&mut self) -> Result<bool, ErrorKind> {
        if self.beginning.has_bytes() {
            return Ok(true);
        }
        self.socket.read_ready().map_err(|error| self.keep(error))
    }
}

impl WriteReady for Counted<'_> {
    fn write_ready(&mut self) -> Result<bool, ErrorKind> {
        self.socket.write_ready().map_err(|error| self.keep(error))
    }
}

/// Looks whether something came though everything is back. Returns the number of bytes.
pub(super) fn listen(io: &mut Counted<'_>, scratch: &mut [u8]) -> usize {
    match io.read_ready() {
        Ok(true) => io.read(scratch).unwrap_or(0),
        _ => 0,
    }
}
