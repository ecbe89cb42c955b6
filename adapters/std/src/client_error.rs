//! What can go wrong for a client, in words for people.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use linecho_core::{Place, ProbeError};

/// Why no connection came about.
#[derive(Debug)]
pub struct ConnectError {
    /// What happened at each address; none if the name could not be resolved.
    pub attempts: Vec<(SocketAddr, io::Error)>,
    /// Why the name could not be resolved, or the socket not be set up.
    pub cause: Option<io::Error>,
}

impl ConnectError {
    pub(crate) fn all(attempts: Vec<(SocketAddr, io::Error)>) -> Self {
        Self {
            attempts,
            cause: None,
        }
    }

    pub(crate) fn resolve(cause: io::Error) -> Self {
        Self {
            attempts: Vec::new(),
            cause: Some(cause),
        }
    }
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(cause) = &self.cause {
            return write!(f, "{cause}");
        }
        if self.attempts.is_empty() {
            return f.write_str("the name has no address");
        }
        for (i, (address, error)) in self.attempts.iter().enumerate() {
            let separator = if i == 0 { "" } else { "; " };
            write!(f, "{separator}{address}: {error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConnectError {}

/// Why a client could not go on.
#[derive(Debug)]
pub enum ClientError {
    /// What came back is not what was sent, or not all of it came back.
    Probe(ProbeError),
    /// The connection failed before all had come back.
    Io {
        /// The first byte that had not come back.
        place: Place,
        /// What happened.
        error: io::Error,
    },
    /// The server moved no byte for this long.
    TimedOut {
        /// The first byte that had not come back.
        place: Place,
        /// The timeout.
        waited: Duration,
    },
    /// The input could not be read, or is not a line.
    Input(io::Error),
    /// The output could not be written.
    Output(io::Error),
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Probe(error) => write!(f, "{error}"),
            Self::Io { place, error } => write!(f, "{place}: the connection failed: {error}"),
            Self::TimedOut { place, waited } => {
                write!(f, "{place}: nothing came back for {waited:?}")
            }
            Self::Input(error) => write!(f, "cannot read the input: {error}"),
            Self::Output(error) => write!(f, "cannot write the output: {error}"),
        }
    }
}

impl std::error::Error for ClientError {}
