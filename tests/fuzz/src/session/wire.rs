//! The transport between the peer and the session.

use embedded_io::{ErrorKind, ErrorType, Read, ReadReady, Write, WriteReady};

/// What passed between the peer and the session.
#[derive(Default)]
pub(super) struct Wire {
    /// All that the session has taken.
    pub(super) taken: Vec<u8>,
    /// All that went back.
    pub(super) echoed: Vec<u8>,
    /// Bytes that have arrived and are not taken yet.
    pub(super) arrived: Vec<u8>,
    pub(super) ended: bool,
    pub(super) shut: bool,
    pub(super) failure: Option<ErrorKind>,
    pub(super) write_failure: Option<ErrorKind>,
    /// Bytes that the transport takes before it blocks.
    pub(super) room: usize,
    /// The most bytes of one call.
    pub(super) piece: usize,
    /// Calls that are interrupted before the next one goes on.
    pub(super) interruptions: u8,
    pub(super) flush_interrupted: bool,
    pub(super) unflushed: bool,
}

impl Wire {
    fn interrupted(&mut self) -> Result<(), ErrorKind> {
        if self.interruptions == 0 {
            return Ok(());
        }
        self.interruptions -= 1;
        Err(ErrorKind::Interrupted)
    }
}

impl ErrorType for Wire {
    type Error = ErrorKind;
}

impl ReadReady for Wire {
    fn read_ready(&mut self) -> Result<bool, ErrorKind> {
        Ok(!self.arrived.is_empty() || self.shut || self.failure.is_some())
    }
}

impl Read for Wire {
    fn read(&mut self, to: &mut [u8]) -> Result<usize, ErrorKind> {
        assert!(!to.is_empty(), "a read into nothing");
        assert!(self.read_ready()?, "a read that blocks");
        self.interrupted()?;
        let n = to.len().min(self.arrived.len()).min(self.piece);
        if n == 0 {
            return self.failure.map_or(Ok(0), Err);
        }
        to[..n].copy_from_slice(&self.arrived[..n]);
        self.taken.extend(self.arrived.drain(..n));
        Ok(n)
    }
}

impl WriteReady for Wire {
    fn write_ready(&mut self) -> Result<bool, ErrorKind> {
        Ok(self.room > 0 || self.write_failure.is_some())
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, ErrorKind> {
        assert!(!bytes.is_empty(), "a write of nothing");
        assert!(self.write_ready()?, "a write that blocks");
        self.interrupted()?;
        if let Some(kind) = self.write_failure {
            return Err(kind);
        }
        let n = bytes.len().min(self.room).min(self.piece);
        self.room -= if self.room == usize::MAX { 0 } else { n };
        self.echoed.extend_from_slice(&bytes[..n]);
        self.unflushed = true;
        Ok(n)
    }

    fn flush(&mut self) -> Result<(), ErrorKind> {
        if self.flush_interrupted {
            return Err(ErrorKind::Interrupted);
        }
        self.unflushed = false;
        Ok(())
    }
}
