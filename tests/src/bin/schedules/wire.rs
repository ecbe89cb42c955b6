//! A transport whose calls are short, blocked, interrupted or failing at random.

use fastrand::Rng;
use linecho_core::embedded_io::{ErrorKind, ErrorType, Read, ReadReady, Write, WriteReady};

/// The most bytes that go one way.
pub(crate) const LONGEST: usize = 64;
const KINDS: [ErrorKind; 5] = [
    ErrorKind::TimedOut,
    ErrorKind::ConnectionReset,
    ErrorKind::BrokenPipe,
    ErrorKind::OutOfMemory,
    ErrorKind::Other,
];

/// The other side of a transport.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Peer {
    /// Gives back what it is sent.
    Honest,
    /// Changes the byte at this place.
    Changes(usize),
    /// Closes before this byte.
    Closes(usize),
}

/// The transport.
pub(crate) struct Wire {
    rng: Rng,
    /// The bytes to be read; of a peer, those that were written.
    incoming: [u8; LONGEST],
    incoming_len: usize,
    read: usize,
    /// What is written comes back, as far as this peer is honest.
    peer: Option<Peer>,
    written: [u8; LONGEST],
    written_len: usize,
    /// A call in so many is blocked, and one is interrupted.
    blocked: usize,
    interrupted: usize,
    /// The calls until one fails.
    until_failure: usize,
    kind: ErrorKind,
    /// The call that failed: true for one of reading.
    pub(crate) failure: Option<(bool, ErrorKind)>,
    pub(crate) end_was_read: bool,
}

impl Wire {
    /// A transport with an input that ends.
    pub(crate) fn new(rng: &mut Rng, input: &[u8]) -> Self {
        let mut incoming = [0; LONGEST];
        incoming[..input.len()].copy_from_slice(input);
        Self {
            incoming,
            incoming_len: input.len(),
            read: 0,
            peer: None,
            written: [0; LONGEST],
            written_len: 0,
            blocked: rng.usize(2..10),
            interrupted: rng.usize(2..20),
            until_failure: if rng.bool() {
                rng.usize(0..100)
            } else {
                usize::MAX
            },
            kind: KINDS[rng.usize(0..KINDS.len())],
            failure: None,
            end_was_read: false,
            rng: rng.fork(),
        }
    }

    /// A transport to a peer.
    pub(crate) fn to(rng: &mut Rng, peer: Peer) -> Self {
        Self {
            peer: Some(peer),
            ..Self::new(rng, &[])
        }
    }

    /// The bytes that were read.
    pub(crate) fn taken(&self) -> &[u8] {
        &self.incoming[..self.read]
    }

    pub(crate) fn written(&self) -> &[u8] {
        &self.written[..self.written_len]
    }

    /// Counts a call, which may fail.
    fn call(&mut self, reading: bool) -> Result<(), ErrorKind> {
        if self.until_failure == 0 && self.failure.is_none() {
            self.failure = Some((reading, self.kind));
            return Err(self.kind);
        }
        self.until_failure = self.until_failure.saturating_sub(1);
        Ok(())
    }

    /// Returns true if the next read finds the end.
    fn is_at_end(&self) -> bool {
        match self.peer {
            None => self.read == self.incoming_len,
            Some(Peer::Closes(at)) => self.read == at,
            Some(Peer::Honest | Peer::Changes(_)) => false,
        }
    }

    fn is_blocked(&mut self) -> bool {
        self.rng.usize(0..self.blocked) == 0
    }

    fn may_be_interrupted(&mut self) -> Result<(), ErrorKind> {
        match self.rng.usize(0..self.interrupted) {
            0 => Err(ErrorKind::Interrupted),
            _ => Ok(()),
        }
    }
}

impl ErrorType for Wire {
    type Error = ErrorKind;
}

impl ReadReady for Wire {
    fn read_ready(&mut self) -> Result<bool, ErrorKind> {
        self.call(true)?;
        let is_there = self.read < self.incoming_len || self.is_at_end();
        Ok(is_there && !self.is_blocked())
    }
}

impl Read for Wire {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, ErrorKind> {
        self.call(true)?;
        self.may_be_interrupted()?;
        if self.is_at_end() {
            self.end_was_read = true;
            return Ok(0);
        }
        let end = match self.peer {
            Some(Peer::Closes(at)) => at.min(self.incoming_len),
            _ => self.incoming_len,
        };
        let n = self.rng.usize(1..=buffer.len().min(end - self.read));
        buffer[..n].copy_from_slice(&self.incoming[self.read..][..n]);
        self.read += n;
        Ok(n)
    }
}

impl WriteReady for Wire {
    fn write_ready(&mut self) -> Result<bool, ErrorKind> {
        self.call(false)?;
        Ok(!self.is_blocked())
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, ErrorKind> {
        self.call(false)?;
        self.may_be_interrupted()?;
        let n = self.rng.usize(0..=bytes.len());
        self.written[self.written_len..][..n].copy_from_slice(&bytes[..n]);
        if let Some(peer) = self.peer {
            let began = self.incoming_len;
            self.incoming[began..][..n].copy_from_slice(&bytes[..n]);
            self.incoming_len += n;
            if let Peer::Changes(at) = peer
                && (began..self.incoming_len).contains(&at)
            {
                self.incoming[at] = !self.incoming[at];
            }
        }
        self.written_len += n;
        Ok(n)
    }

    fn flush(&mut self) -> Result<(), ErrorKind> {
        self.call(false)?;
        self.may_be_interrupted()
    }
}
