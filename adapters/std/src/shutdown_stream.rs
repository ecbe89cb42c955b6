//! A stream whose bytes shut the server down.

use std::io::{self, Read as _};
use std::os::unix::net;
use std::time::Duration;

use mio::net::UnixStream;
use mio::{Interest, Registry, Token};

/// A stream whose bytes shut the server down.
pub(crate) struct ShutdownStream {
    stream: UnixStream,
    /// The delay before the drain.
    pub(crate) delay: Duration,
}

/// The most reads in a turn.
const READS: usize = 16;

impl ShutdownStream {
    pub(crate) fn new(stream: net::UnixStream, delay: Duration) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        Ok(Self {
            stream: UnixStream::from_std(stream),
            delay,
        })
    }

    pub(crate) fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        registry.register(&mut self.stream, token, Interest::READABLE)
    }

    /// Returns the number of bytes that have come, of very many at least some.
    pub(crate) fn bytes(&mut self) -> usize {
        let mut count = 0;
        let mut buffer = [0; 64];
        for _ in 0..READS {
            match self.stream.read(&mut buffer) {
                Ok(n @ 1..) => count += n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // Nothing more, or nobody left who could write.
                Ok(0) | Err(_) => break,
            }
        }
        count
    }
}
