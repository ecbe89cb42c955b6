//! The events of a server, for logs and metrics.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use embedded_io::{ErrorType, Read, ReadReady, Write, WriteReady};
use linecho_core::{Counters, Reason};

/// Receives the events of a [`Server`](crate::Server), for logs and metrics. Every method does
/// nothing by default.
///
/// The workers call it, each from its own thread, and serve nobody until it returns: it must be
/// quick. If it panics, the server stops.
pub trait Observer: Send + Sync {
    /// Receives a connection that was accepted.
    fn opened(&self, peer: SocketAddr) {
        let _ = peer;
    }

    /// Receives the end of a connection's session.
    fn closed(&self, peer: SocketAddr, end: &SessionEnd) {
        let _ = (peer, end);
    }

    /// Receives the cause of a pause in accepting, at most once a second. Connections that come
    /// meanwhile wait in the kernel's queue.
    fn accept_paused(&self, cause: &AcceptPaused) {
        let _ = cause;
    }

    /// Returns `true` if [`echoed`](Self::echoed) is wanted. Each worker asks once, when it begins
    /// to run.
    fn wants_content(&self) -> bool {
        false
    }

    /// Receives bytes that went back to the peer: one or more lines, or a part of one.
    fn echoed(&self, peer: SocketAddr, bytes: &[u8]) {
        let _ = (peer, bytes);
    }
}

/// The end of a session, and what the session did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SessionEnd {
    /// The reason.
    pub reason: Reason,
    /// Bytes and lines of the session.
    pub counters: Counters,
    /// The time from the acceptance of the connection to the end of the session.
    pub duration: Duration,
}

/// The cause of a pause in accepting.
#[derive(Debug)]
#[non_exhaustive]
pub enum AcceptPaused {
    /// The limit on open connections is reached; the next one is accepted when one closes.
    MaxConnections(usize),
    /// accept(2) failed, most likely because there is no file descriptor left. It is tried again in
    /// 10 to 100 ms, or when a connection closes.
    Error {
        /// The address of the listening socket.
        address: SocketAddr,
        /// The system's error.
        error: io::Error,
    },
}

impl fmt::Display for AcceptPaused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MaxConnections(max) => {
                write!(
                    f,
                    "all {max} connections that may be open are; more have to wait"
                )
            }
            Self::Error { address, error } => {
                write!(
                    f,
                    "cannot accept connections to {address} for now: {error}; they have to wait"
                )
            }
        }
    }
}

/// A transport that passes on to the observer what is written to it.
pub(crate) struct Observed<'a, T> {
    pub(crate) io: T,
    pub(crate) peer: SocketAddr,
    pub(crate) observer: &'a dyn Observer,
}

impl<T: ErrorType> ErrorType for Observed<'_, T> {
    type Error = T::Error;
}

impl<T: Read> Read for Observed<'_, T> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, T::Error> {
        self.io.read(buffer)
    }
}

impl<T: ReadReady> ReadReady for Observed<'_, T> {
    fn read_ready(&mut self) -> Result<bool, T::Error> {
        self.io.read_ready()
    }
}

impl<T: Write> Write for Observed<'_, T> {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, T::Error> {
        let n = self.io.write(bytes)?;
        self.observer
            .echoed(self.peer, bytes.get(..n).unwrap_or(bytes));
        Ok(n)
    }

    fn flush(&mut self) -> Result<(), T::Error> {
        self.io.flush()
    }
}

impl<T: WriteReady> WriteReady for Observed<'_, T> {
    fn write_ready(&mut self) -> Result<bool, T::Error> {
        self.io.write_ready()
    }
}
