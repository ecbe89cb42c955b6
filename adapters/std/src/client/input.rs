//! Input that a thread reads, so that a client can watch it and its connection at the same time.

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError, sync_channel};
use std::thread;

use mio::{Registry, Token, Waker};

use super::BUFFER;

pub(super) const INPUT: Token = Token(1);

/// Bytes from a reader that blocks, as a [`Client`](super::Client) takes them.
///
/// A thread reads them, in chunks. Each chunk, and the end, wakes the client; several wake-ups may
/// arrive as one.
#[derive(Debug)]
pub struct Input {
    chunks: Receiver<io::Result<Vec<u8>>>,
    chunk: Vec<u8>,
    /// The length of the chunk's used part.
    used: usize,
    ended: bool,
    /// Kept, since a waker that is dropped takes the wake-ups along that were not delivered yet.
    _waker: Arc<Waker>,
}

impl Input {
    pub(super) fn start(
        mut reader: impl Read + Send + 'static,
        registry: &Registry,
    ) -> io::Result<Self> {
        let waker = Arc::new(Waker::new(registry, INPUT)?);
        let ours = Arc::clone(&waker);
        // Two chunks: one is sent while the next is read.
        let (sender, chunks) = sync_channel(2);
        let read = move || {
            loop {
                let mut chunk = vec![0; BUFFER];
                let result = match reader.read(&mut chunk) {
                    Ok(0) => break,
                    Ok(n) => {
                        chunk.truncate(n);
                        Ok(chunk)
                    }
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                    Err(error) => Err(error),
                };
                let failed = result.is_err();
                if sender.send(result).is_err() || waker.wake().is_err() || failed {
                    break;
                }
            }
            drop(sender);
            // It fails only when nobody waits any more.
            let _ = waker.wake();
        };
        thread::Builder::new().name("input".into()).spawn(read)?;
        Ok(Self {
            chunks,
            chunk: Vec::new(),
            used: 0,
            ended: false,
            _waker: ours,
        })
    }

    /// Returns the bytes that have come in and are not used yet; empty while there are none.
    pub(super) fn bytes(&mut self) -> io::Result<&[u8]> {
        if self.used == self.chunk.len() && !self.ended {
            match self.chunks.try_recv() {
                Ok(next) => (self.chunk, self.used) = (next?, 0),
                Err(TryRecvError::Empty) => {}
                Err(TryRecvError::Disconnected) => self.ended = true,
            }
        }
        Ok(&self.chunk[self.used..])
    }

    pub(super) fn consume(&mut self, n: usize) {
        self.used += n;
    }

    /// True if the reader has come to its end, and all of its bytes were used.
    pub(super) fn has_ended(&self) -> bool {
        self.ended
    }
}
