//! A TCP socket of smoltcp as `embedded-io`.

use core::fmt;

use embedded_io::{ErrorKind, ErrorType, Read, ReadReady, Write, WriteReady};
use smoltcp::socket::tcp::{self, RecvError, SendError, State};

/// The most bytes of one read. They are scanned and sent next, while a piece of this size is still
/// in the first-level cache of a desktop processor.
const PIECE: usize = 16_384;

/// A smoltcp TCP socket that implements the `embedded-io` traits without ever blocking.
///
/// | the socket                 | `read_ready` | `read`             | `write_ready` | `write`   |
/// |----------------------------|--------------|--------------------|---------------|-----------|
/// | is still connecting        | `false`      | `NotNow`           | `false`       | `NotNow`  |
/// | is open, and there is data | `true`       | the data           |               |           |
/// | is open, and there is none | `false`      | `NotNow`           |               |           |
/// | got a FIN; all was read    | `true`       | `Ok(0)`            |               |           |
/// | is open, with room to send |              |                    | `true`        | what fits |
/// | is open, with none         |              |                    | `false`       | `NotNow`  |
/// | was closed by our side     |              | as above           | `true`        | `Closed`  |
/// | was reset or timed out     | `true`       | data, then `Reset` | `true`        | `Reset`   |
///
/// The errors are those of [`SocketError`]. *Ready* means that a call would not have to wait, also
/// when it would fail. `flush` does nothing: what was written is sent by the stack's egress.
#[derive(Debug)]
pub struct Socket<'s, 'b> {
    tcp: &'s mut tcp::Socket<'b>,
    until: Until,
}

/// The end of what a [`Socket`] reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Until {
    /// All there is.
    End,
    /// To the last `\n` of a read, if there is one.
    Newline,
    /// A `\n` was read: no further.
    Reached,
}

impl<'s, 'b> Socket<'s, 'b> {
    /// Wraps `tcp` for as long as it is read and written this way.
    pub fn new(tcp: &'s mut tcp::Socket<'b>) -> Self {
        let until = Until::End;
        Self { tcp, until }
    }

    /// Wraps `tcp` and reads to a `\n` only: after it the socket is not ready to read. A session is
    /// then left without an unfinished line, and can hand its line buffer on.
    pub(crate) fn to_newline(tcp: &'s mut tcp::Socket<'b>) -> Self {
        let until = Until::Newline;
        Self { tcp, until }
    }

    /// Returns `true` until the handshake is over.
    fn is_connecting(&self) -> bool {
        matches!(
            self.tcp.state(),
            State::Listen | State::SynSent | State::SynReceived
        )
    }
}

/// The reason why a call on a [`Socket`] did nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum SocketError {
    /// The call would have to wait; ask for readiness first. Its kind is
    /// [`ErrorKind::Interrupted`], since `embedded-io` has none for this.
    NotNow,
    /// Our side has closed the connection for sending.
    Closed,
    /// There is no connection any more: the peer reset it, was silent for too long, or our address
    /// went away.
    Reset,
}

impl fmt::Display for SocketError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotNow => "the socket is not ready",
            Self::Closed => "the connection was closed for sending",
            Self::Reset => "the connection was reset",
        })
    }
}

impl core::error::Error for SocketError {}

impl embedded_io::Error for SocketError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::NotNow => ErrorKind::Interrupted,
            Self::Closed => ErrorKind::BrokenPipe,
            Self::Reset => ErrorKind::ConnectionReset,
        }
    }
}

impl ErrorType for Socket<'_, '_> {
    type Error = SocketError;
}

impl Read for Socket<'_, '_> {
    #[inline]
    fn read(&mut self, buf: &mut [u8]) -> Result<usize, SocketError> {
        if buf.is_empty() {
            return Ok(0);
        }
        let (buf, _) = buf.split_at_mut(buf.len().min(PIECE));
        let received = match self.until {
            Until::End => self.tcp.recv_slice(buf),
            Until::Newline | Until::Reached => self.tcp.recv(|data| {
                let n = data.len().min(buf.len());
                let (data, _) = data.split_at(n);
                let newline = data.iter().rposition(|&byte| byte == b'\n');
                if newline.is_some() {
                    self.until = Until::Reached;
                }
                let n = newline.map_or(n, |newline| newline + 1);
                let (to, _) = buf.split_at_mut(n);
                to.copy_from_slice(data.split_at(n).0);
                (n, n)
            }),
        };
        match received {
            // Open, and nothing there. It is not the end of input.
            Ok(0) => Err(SocketError::NotNow),
            Ok(n) => Ok(n),
            Err(RecvError::Finished) => Ok(0),
            Err(RecvError::InvalidState) if self.is_connecting() => Err(SocketError::NotNow),
            Err(RecvError::InvalidState) => Err(SocketError::Reset),
        }
    }
}

impl Write for Socket<'_, '_> {
    #[inline]
    fn write(&mut self, buf: &[u8]) -> Result<usize, SocketError> {
        if buf.is_empty() {
            return Ok(0);
        }
        match self.tcp.send_slice(buf) {
            Ok(0) => Err(SocketError::NotNow),
            Ok(n) => Ok(n),
            Err(SendError::InvalidState) if self.is_connecting() => Err(SocketError::NotNow),
            Err(SendError::InvalidState) if self.tcp.state() == State::Closed => {
                Err(SocketError::Reset)
            }
            Err(SendError::InvalidState) => Err(SocketError::Closed),
        }
    }

    fn flush(&mut self) -> Result<(), SocketError> {
        Ok(())
    }
}

impl ReadReady for Socket<'_, '_> {
    #[inline]
    fn read_ready(&mut self) -> Result<bool, SocketError> {
        Ok(match self.until {
            Until::Reached => false,
            // With data, `may_recv` holds in every state. Without, it means that more may come.
            _ if self.tcp.can_recv() => !self.is_connecting(),
            _ => !self.tcp.may_recv() && !self.is_connecting(),
        })
    }
}

impl WriteReady for Socket<'_, '_> {
    #[inline]
    fn write_ready(&mut self) -> Result<bool, SocketError> {
        Ok(self.tcp.can_send() || (!self.tcp.may_send() && !self.is_connecting()))
    }
}
