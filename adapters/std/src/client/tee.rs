//! The transport of a client: its socket, and a copy of what comes from it.

use std::io;

use embedded_io::{ErrorKind, ErrorType, Read, ReadReady, Write, WriteReady};

use super::beginning::Beginning;
use super::mismatch::KEPT;
use crate::socket::Socket;

/// A socket that takes a greeting out, writes a copy of what else was read from it, and keeps its
/// errors, of which a probe sees the kind alone.
pub(crate) struct Tee<'a, W> {
    socket: Socket<'a>,
    beginning: &'a mut Beginning,
    copy: &'a mut W,
    received: &'a mut Received,
    /// Set if a byte was sent or came back.
    pub(crate) moved: bool,
    /// The first error of the socket.
    pub(crate) failed: Option<io::Error>,
    /// The error of writing the copy.
    pub(crate) output_failed: Option<io::Error>,
}

/// The number of bytes that came from a socket, and the last of them.
#[derive(Debug, Default)]
pub(crate) struct Received {
    /// The number of bytes so far.
    pub(crate) total: u64,
    /// The number of bytes of the last read.
    pub(crate) last_read: usize,
    /// The last bytes before the last read: the context that a mismatch is shown in.
    pub(crate) before: Vec<u8>,
    /// The last bytes of the last read.
    tail: Vec<u8>,
    /// Set once the server has closed its sending side.
    pub(crate) ended: bool,
}

impl Received {
    fn note(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            self.ended = true;
            return;
        }
        self.before.extend_from_slice(&self.tail);
        self.before.drain(..self.before.len().saturating_sub(KEPT));
        self.tail.clear();
        let tail = &bytes[bytes.len().saturating_sub(KEPT)..];
        self.tail.extend_from_slice(tail);
        self.last_read = bytes.len();
        self.total += bytes.len() as u64;
    }
}

impl<'a, W> Tee<'a, W> {
    pub(crate) fn new(
        socket: Socket<'a>,
        beginning: &'a mut Beginning,
        copy: &'a mut W,
        received: &'a mut Received,
    ) -> Self {
        Self {
            socket,
            beginning,
            copy,
            received,
            moved: false,
            failed: None,
            output_failed: None,
        }
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.received.ended
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
        let result = self.beginning.read(&mut self.socket, buffer);
        let n = result.map_err(|e| self.keep(e))?;
        self.moved |= n > 0;
        self.received.note(&buffer[..n]);
        self.copy.write_all(&buffer[..n]).map_err(|error| {
            self.output_failed = Some(error);
            ErrorKind::Other
        })?;
        Ok(n)
    }
}

impl<W> Write for Tee<'_, W> {
    /// Reports a failure only after all that has come back was read: a server may have answered
    /// before it reset the connection.
    fn write(&mut self, bytes: &[u8]) -> Result<usize, ErrorKind> {
        match self.socket.write(bytes).map_err(|e| self.keep(e)) {
            Err(kind) if kind != ErrorKind::Interrupted => {
                self.socket.ready.suppose_input();
                Ok(0)
            }
            result => {
                let sent = &bytes[..result.unwrap_or(0)];
                self.beginning.note_sent(sent);
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
        if self.beginning.has_bytes() {
            return Ok(true);
        }
        self.socket.read_ready().map_err(|e| self.keep(e))
    }
}

impl<W> WriteReady for Tee<'_, W> {
    fn write_ready(&mut self) -> Result<bool, ErrorKind> {
        self.socket.write_ready().map_err(|e| self.keep(e))
    }
}
