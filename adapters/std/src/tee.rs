//! The transport of a client: its socket, and a copy of what comes from it.

use std::io;

use embedded_io::{ErrorKind, ErrorType, Read, ReadReady, Write, WriteReady};

use crate::socket::Socket;

/// A socket that writes a copy of what was read from it, and keeps the errors that a probe has no
/// place for.
pub(crate) struct Tee<'a, W> {
    socket: Socket<'a>,
    copy: &'a mut W,
    /// Whether a byte was sent or came back.
    pub(crate) moved: bool,
    /// The first error of the socket.
    pub(crate) failed: Option<io::Error>,
    pub(crate) output_failed: Option<io::Error>,
}

impl<'a, W> Tee<'a, W> {
    pub(crate) fn new(socket: Socket<'a>, copy: &'a mut W) -> Self {
        Self {
            socket,
            copy,
            moved: false,
            failed: None,
            output_failed: None,
        }
    }

    fn keep(&mut self, error: io::Error) -> ErrorKind {
        let kind = error.kind().into();
        if kind != ErrorKind::Interrupted {
            self.failed.get_or_insert(error);
        }
        kind
    }
}

impl<W> ErrorType for Tee<'_, W> {
    type Error = ErrorKind;
}

impl<W: io::Write> Read for Tee<'_, W> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, ErrorKind> {
        let n = self.socket.read(buffer).map_err(|e| self.keep(e))?;
        self.moved |= n > 0;
        self.copy.write_all(&buffer[..n]).map_err(|error| {
            self.output_failed = Some(error);
            ErrorKind::Other
        })?;
        Ok(n)
    }
}

impl<W> Write for Tee<'_, W> {
    /// A failure is told after what has come back was read: a server that resets the connection may
    /// have answered before.
    fn write(&mut self, bytes: &[u8]) -> Result<usize, ErrorKind> {
        match self.socket.write(bytes).map_err(|e| self.keep(e)) {
            Err(kind) if kind != ErrorKind::Interrupted => {
                self.socket.ready.suppose_input();
                Ok(0)
            }
            result => {
                self.moved |= result.is_ok();
                result
            }
        }
    }

    fn flush(&mut self) -> Result<(), ErrorKind> {
        Ok(())
    }
}

impl<W> ReadReady for Tee<'_, W> {
    fn read_ready(&mut self) -> Result<bool, ErrorKind> {
        self.socket.read_ready().map_err(|e| self.keep(e))
    }
}

impl<W> WriteReady for Tee<'_, W> {
    fn write_ready(&mut self) -> Result<bool, ErrorKind> {
        self.socket.write_ready().map_err(|e| self.keep(e))
    }
}
