//! Errors of a client, in words for people. They print their cause, and so return none as a source.

use std::fmt;
use std::io;
use std::net::{Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use linecho_core::Position;

pub use super::cause::Cause;
use super::cause::{TAIL_LOST, bytes};
use super::mismatch::Mismatch;
use super::silence::Silence;

/// The reason for which no connection came about.
#[derive(Debug)]
#[non_exhaustive]
pub enum ConnectError {
    /// The name could not be resolved.
    LookUp(io::Error),
    /// The resolver did not answer within this time.
    LookUpTimedOut(Duration),
    /// There is no address to try.
    NoAddress,
    /// No address could be connected to; the error of each.
    Failed(Vec<(SocketAddr, io::Error)>),
    /// The UNIX socket could not be connected to.
    Unix {
        /// Its path.
        path: PathBuf,
        /// The error, in words.
        error: io::Error,
    },
    /// The connection, once made, could not be set up.
    SetUp(io::Error),
}

impl ConnectError {
    /// The reason in one word; of several addresses, that of the first.
    #[must_use]
    pub fn cause(&self) -> Cause {
        match self {
            Self::LookUp(_) | Self::LookUpTimedOut(_) | Self::NoAddress => Cause::Dns,
            Self::Failed(attempts) => attempts
                .first()
                .map_or(Cause::Other, |(_, error)| Cause::of_io(error)),
            // Whoever connects to a path finds nobody there.
            Self::Unix { error, .. } if error.kind() == io::ErrorKind::NotFound => Cause::Refused,
            Self::Unix { error, .. } | Self::SetUp(error) => Cause::of_io(error),
        }
    }
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LookUp(error) => write!(f, "{error}"),
            Self::LookUpTimedOut(limit) => {
                write!(f, "the name look-up got no answer within {limit:?}")
            }
            Self::NoAddress => f.write_str("there is no address to try"),
            Self::Unix { error, .. } => error.fmt(f),
            Self::SetUp(error) => write!(f, "cannot set the connection up: {error}"),
            Self::Failed(attempts) => {
                for (i, (address, error)) in attempts.iter().enumerate() {
                    let separator = if i == 0 { "" } else { "; " };
                    write!(f, "{separator}{address}: {error}")?;
                    if let Some((ip, port)) = without_scope(address) {
                        write!(
                            f,
                            " (a link-local address needs its interface, such as [{ip}%eth0]:{port})"
                        )?;
                    }
                }
                Ok(())
            }
        }
    }
}

impl std::error::Error for ConnectError {}

/// A link-local address that does not say on which interface it is.
fn without_scope(address: &SocketAddr) -> Option<(Ipv6Addr, u16)> {
    match address {
        SocketAddr::V6(v6) if v6.ip().is_unicast_link_local() && v6.scope_id() == 0 => {
            Some((*v6.ip(), v6.port()))
        }
        _ => None,
    }
}

/// The reason for which a client could not go on.
#[derive(Debug)]
#[non_exhaustive]
pub enum ClientError {
    /// Bytes came that were not sent, or were not asked for.
    Mismatch(Box<Mismatch>),
    /// The server ended the connection.
    Ended(Ended),
    /// The connection failed before all had come back.
    Io {
        /// The first byte that had not come back.
        place: Position,
        /// The error of the socket.
        error: io::Error,
    },
    /// The server moved no byte for too long.
    TimedOut(Box<Silence>),
    /// The input could not be read, or is not a line.
    Input(io::Error),
    /// The output could not be written.
    Output {
        /// The first byte that may not have been verified and written.
        place: Position,
        /// The error of the socket.
        error: io::Error,
    },
}

impl ClientError {
    /// The reason in one word.
    #[must_use]
    pub fn cause(&self) -> Cause {
        match self {
            Self::Mismatch(mismatch) => mismatch.cause(),
            Self::Ended(_) => Cause::Eof,
            Self::Io { error, .. } => Cause::of_io(error),
            Self::TimedOut { .. } => Cause::Timeout,
            Self::Input(_) | Self::Output { .. } => Cause::Other,
        }
    }
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mismatch(mismatch) => write!(f, "{mismatch}"),
            Self::Ended(ended) => write!(f, "{ended}"),
            Self::Io { place, error } => match Cause::of_io(error) {
                Cause::Reset => write!(f, "{place}: the connection was reset ({error})"),
                _ => write!(f, "{place}: the connection failed: {error}"),
            },
            Self::TimedOut(silence) => write!(f, "{silence}"),
            Self::Input(error) => write!(f, "cannot read the input: {error}"),
            Self::Output { place, error } => write!(
                f,
                "cannot write the output: {error}; from {place} on nothing was verified"
            ),
        }
    }
}

impl std::error::Error for ClientError {}

/// An end of the connection that came too early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ended {
    /// The next byte that was to come back.
    pub place: Position,
    /// The number of bytes that had come back.
    pub returned: u64,
    /// The number of bytes that were taken from the input and had not come back.
    pub missing: u64,
    /// True if we had shut down our sending side: only the unterminated rest of the last line was
    /// missing then.
    pub half_closed: bool,
    /// The time in which nothing had gone either way.
    pub silence: Duration,
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { place, missing, .. } = self;
        let bytes = bytes(*missing);
        match self {
            Self { missing: 0, .. } => write!(f, "the server has closed the connection")?,
            Self {
                half_closed: true, ..
            } => {
                return write!(
                    f,
                    "{place}: the connection ended right after our half-close, {bytes} short: {TAIL_LOST}"
                );
            }
            Self { returned: 0, .. } => write!(
                f,
                "{place}: the connection ended, and nothing of what was sent came back"
            )?,
            _ => write!(f, "{place}: the connection ended with {bytes} missing")?,
        }
        if self.silence >= Duration::from_secs(1) {
            let silence = Duration::from_secs(self.silence.as_secs());
            write!(f, ", after {silence:?} in which nothing went either way")?;
        }
        Ok(())
    }
}
