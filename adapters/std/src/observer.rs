//! The events of a server, for logs and metrics.

use std::fmt;
use std::io;
use std::time::Duration;

use embedded_io::{ErrorType, Read, ReadReady, Write, WriteReady};
use linecho_core::{Counters, Reason};

use crate::connection_info::ConnectionInfo;
use crate::endpoint::Endpoint;
use crate::header_wait::ProxyFault;

/// Receives the events of a [`Server`](crate::Server), for logs and metrics. Every method does
/// nothing by default.
///
/// The workers call it, each from its own thread, and serve nobody until it returns: it must be
/// quick. If it panics, the server stops.
pub trait Observer: Send + Sync {
    /// Receives a connection that was accepted.
    fn opened(&self, connection: &ConnectionInfo<'_>) {
        let _ = connection;
    }

    /// Receives the end of a connection's session.
    fn closed(&self, connection: &ConnectionInfo<'_>, end: &SessionEnd) {
        let _ = (connection, end);
    }

    /// Receives a connection that was refused before its session began. It has been closed.
    fn refused(&self, connection: &ConnectionInfo<'_>, refusal: &Refusal) {
        let _ = (connection, refusal);
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
    fn echoed(&self, connection: &ConnectionInfo<'_>, bytes: &[u8]) {
        let _ = (connection, bytes);
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

impl SessionEnd {
    /// Returns `true` for what health checks of balancers leave behind: the peer closed or reset
    /// the connection and had sent nothing, or reset it after everything that it had sent had gone
    /// back.
    #[must_use]
    pub fn is_health_check(&self) -> bool {
        let Counters {
            bytes_in,
            bytes_out,
            ..
        } = self.counters;
        match self.reason {
            Reason::PeerClosed => bytes_in == 0,
            Reason::Reset => bytes_in == bytes_out,
            _ => false,
        }
    }
}

/// The reason for which a connection was refused before its session began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// The peer has as many connections as [`max_per_peer`](crate::Builder::max_per_peer) allows.
    PeerLimit(u32),
    /// The connection does not begin with the PROXY header that its listener requires.
    ProxyHeader(ProxyFault),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PeerLimit(1) => f.write_str("the one connection of this peer is open"),
            Self::PeerLimit(most) => write!(f, "all {most} connections of this peer are open"),
            Self::ProxyHeader(fault) => fault.fmt(f),
        }
    }
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
        address: Endpoint,
        /// The system's error.
        error: io::Error,
    },
}

impl fmt::Display for AcceptPaused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MaxConnections(1) => {
                f.write_str("the one connection that may be open is; more have to wait")
            }
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
                )?;
                #[cfg(unix)]
                if error.raw_os_error() == Some(rustix::io::Errno::MFILE.raw_os_error()) {
                    f.write_str(" for others to close, or for a higher limit (`ulimit -n`)")?;
                }
                Ok(())
            }
        }
    }
}

/// A transport that passes on to the observer what is written to it.
pub(crate) struct Observed<'a, T> {
    pub(crate) io: T,
    pub(crate) connection: ConnectionInfo<'a>,
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
            .echoed(&self.connection, bytes.get(..n).unwrap_or(bytes));
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
