//! The wait for the PROXY header of a connection.

use std::fmt;
use std::io::{self, Read as _};
use std::time::Duration;

use linecho_core::{Config, Instant};
use mio::net::TcpStream;

use crate::proxy_header::{ProxyHeader, ProxyHeaderError};
use crate::socket::Ready;

/// The wait for the PROXY header of a connection.
///
/// The header stays in the kernel until it is complete, so that the wait needs no buffer.
pub(crate) struct HeaderWait {
    /// The configuration of the session that comes after it.
    pub(crate) config: Config,
    until: Instant,
    pub(crate) shutting_down: bool,
}

/// The outcome of a look at the socket.
pub(crate) enum Look {
    /// The header is incomplete. Look again when more comes, or at this time.
    Wait(Instant),
    /// The look was interrupted. Look again in the next turn.
    Again,
    /// The header has been read.
    Header(ProxyHeader),
    Fault(ProxyFault),
}

/// The fault of a connection that does not begin with a PROXY header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProxyFault {
    /// The first bytes are no header, or a malformed one.
    Invalid(ProxyHeaderError),
    /// The header is longer than 4096 bytes.
    TooLong,
    /// The header was not complete after 5 s, or when the server was shut down.
    Late,
    /// The peer closed the connection before it had sent a byte, as health checks do.
    Nothing,
    /// Reading failed.
    Failed(io::ErrorKind),
}

/// The time that a relay has for its header. The specification asks for at least 3 s, so that a
/// segment may be lost.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The longest header that is accepted: one of version 2 with the usual extensions takes less than
/// 600.
const MOST_BYTES: usize = 4096;

impl HeaderWait {
    pub(crate) fn new(config: Config, now: Instant) -> Self {
        Self {
            config,
            until: now + TIMEOUT,
            shutting_down: false,
        }
    }

    /// Looks whether the header is there.
    pub(crate) fn look(&self, stream: &TcpStream, ready: &mut Ready, now: Instant) -> Look {
        if ready.is_readable() {
            let mut bytes = [0; MOST_BYTES];
            match stream.peek(&mut bytes) {
                Ok(0) => return Look::Fault(ProxyFault::Nothing),
                Ok(n) => match ProxyHeader::parse(&bytes[..n]) {
                    Ok(Some(header)) => return read(stream, &mut bytes, header),
                    Ok(None) if n == MOST_BYTES => return Look::Fault(ProxyFault::TooLong),
                    Ok(None) => ready.clear_input(),
                    Err(error) => return Look::Fault(ProxyFault::Invalid(error)),
                },
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => ready.clear_input(),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => return Look::Again,
                Err(error) => return Look::Fault(ProxyFault::Failed(error.kind())),
            }
        }
        match self.shutting_down || now >= self.until {
            true => Look::Fault(ProxyFault::Late),
            false => Look::Wait(self.until),
        }
    }
}

/// Takes the header, which has been looked at, from the socket.
fn read(mut stream: &TcpStream, bytes: &mut [u8; MOST_BYTES], header: ProxyHeader) -> Look {
    match stream.read_exact(&mut bytes[..header.length]) {
        Ok(()) => Look::Header(header),
        Err(error) => Look::Fault(ProxyFault::Failed(error.kind())),
    }
}

impl fmt::Display for ProxyFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid(error) => error.fmt(f),
            Self::TooLong => write!(f, "PROXY header of more than {MOST_BYTES} bytes"),
            Self::Late => f.write_str("no whole PROXY header in time"),
            Self::Nothing => f.write_str("closed without a PROXY header"),
            Self::Failed(kind) => write!(f, "cannot read the PROXY header: {kind}"),
        }
    }
}
