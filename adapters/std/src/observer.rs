//! What a program can learn while a server runs.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use embedded_io::{ErrorType, Read, ReadReady, Write, WriteReady};
use linecho_core::{Counters, Reason};

/// Is told what happens in a [`Server`](crate::Server), for logs and metrics. Every method does
/// nothing by default.
///
/// The workers call it, each from its own thread, and serve nobody until it returns: it must be
/// quick. If it panics, the server stops.
pub trait Observer: Send + Sync {
    /// A connection was accepted.
    fn opened(&self, peer: SocketAddr) {
        let _ = peer;
    }

    /// A connection's session has ended.
    fn closed(&self, peer: SocketAddr, closed: &Closed) {
        let _ = (peer, closed);
    }

    /// No connection is accepted for a while; those that come wait in the kernel's queue. Told at
    /// most once a second.
    fn accept_paused(&self, cause: &AcceptPaused) {
        let _ = cause;
    }

    /// Whether [`echoed`](Self::echoed) is to be called. Asked once, when the server begins to run.
    fn wants_content(&self) -> bool {
        false
    }

    /// These bytes went back to the peer: one or more lines, or a part of one.
    fn echoed(&self, peer: SocketAddr, bytes: &[u8]) {
        let _ = (peer, bytes);
    }
}

/// How a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Closed {
    /// Why it ended.
    pub reason: Reason,
    /// What it did.
    pub counters: Counters,
    /// How long it lasted, from its acceptance on.
    pub duration: Duration,
}

/// Why no connection is accepted for a while.
#[derive(Debug)]
#[non_exhaustive]
pub enum AcceptPaused {
    /// As many connections are open as may be; the next is accepted when one of them closes.
    MaxConnections(usize),
    /// accept(2) failed, most likely since there is no file descriptor left. It is tried again in
    /// 10 to 100 ms, or when a connection closes.
    Error {
        /// The address that listens.
        address: SocketAddr,
        /// What happened.
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

/// A transport that tells the observer what was written to it.
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
