//! A TCP socket of smoltcp as `embedded-io`, and all that the rest of the crate asks of one.
//!
//! Together with [`stack`](crate::stack) and [`question`](crate::question) this is the seam: an adapter
//! for another stack of this family replaces these files.

use core::fmt;

use embedded_io::{ErrorKind, ErrorType, Read, ReadReady, Write, WriteReady};
use smoltcp::iface::SocketSet;
use smoltcp::socket::AnySocket;
use smoltcp::socket::tcp::{self, RecvError, SendError, State};
use smoltcp::wire::IpListenEndpoint;

use crate::Options;

/// How many bytes are read at once, at most. What is read is looked at and sent next: in pieces of this
/// size it is still in the first-level cache of a desktop processor then.
const PIECE: usize = 16 * 1024;

/// A smoltcp TCP socket that implements the `embedded-io` traits without ever blocking.
///
/// | the socket               | `read_ready` | `read`            | `write_ready` | `write`           |
/// |--------------------------|--------------|-------------------|---------------|-------------------|
/// | is still connecting      | `false`      | [`Error::NotNow`] | `false`       | [`Error::NotNow`] |
/// | is open, and there is data | `true`     | the data          |               |                   |
/// | is open, and there is none | `false`    | [`Error::NotNow`] |               |                   |
/// | got a FIN, all data read | `true`       | `Ok(0)`           |               |                   |
/// | is open, with room to send |            |                   | `true`        | what fits         |
/// | is open, with none       |              |                   | `false`       | [`Error::NotNow`] |
/// | was closed by our side   |              | as above          | `true`        | [`Error::Closed`] |
/// | was reset or timed out   | `true`       | data that had come, then [`Error::Reset`] | `true` | [`Error::Reset`] |
///
/// So *ready* means that a call would not have to wait, also when it would fail. `flush` does
/// nothing: what was written is sent by the stack's egress.
#[derive(Debug)]
pub struct Socket<'s, 'b> {
    tcp: &'s mut tcp::Socket<'b>,
    until: Until,
}

/// How far a [`Socket`] reads.
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

    /// The same, but after a read that reached a `\n` there is no more to read: a session is then
    /// left with no unfinished line, and can hand its line buffer on.
    pub(crate) fn to_newline(tcp: &'s mut tcp::Socket<'b>) -> Self {
        let until = Until::Newline;
        Self { tcp, until }
    }

    /// Whether the handshake is not over yet.
    fn is_connecting(&self) -> bool {
        matches!(
            self.tcp.state(),
            State::Listen | State::SynSent | State::SynReceived
        )
    }
}

/// Why a call on a [`Socket`] did nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Error {
    /// The call would have to wait; ask for readiness first. Its kind is
    /// [`ErrorKind::Interrupted`], since `embedded-io` has none for this.
    NotNow,
    /// Our side has closed the connection for sending.
    Closed,
    /// There is no connection any more: the peer reset it, was silent for too long, or our address
    /// went away.
    Reset,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotNow => "the socket is not ready",
            Self::Closed => "the connection was closed for sending",
            Self::Reset => "the connection was reset",
        })
    }
}

impl core::error::Error for Error {}

impl embedded_io::Error for Error {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::NotNow => ErrorKind::Interrupted,
            Self::Closed => ErrorKind::BrokenPipe,
            Self::Reset => ErrorKind::ConnectionReset,
        }
    }
}

impl ErrorType for Socket<'_, '_> {
    type Error = Error;
}

impl Read for Socket<'_, '_> {
    #[inline]
    fn read(&mut self, buf: &mut [u8]) -> Result<usize, Error> {
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
            Ok(0) => Err(Error::NotNow),
            Ok(n) => Ok(n),
            Err(RecvError::Finished) => Ok(0),
            Err(RecvError::InvalidState) if self.is_connecting() => Err(Error::NotNow),
            Err(RecvError::InvalidState) => Err(Error::Reset),
        }
    }
}

impl Write for Socket<'_, '_> {
    #[inline]
    fn write(&mut self, buf: &[u8]) -> Result<usize, Error> {
        if buf.is_empty() {
            return Ok(0);
        }
        match self.tcp.send_slice(buf) {
            Ok(0) => Err(Error::NotNow),
            Ok(n) => Ok(n),
            Err(SendError::InvalidState) if self.is_connecting() => Err(Error::NotNow),
            Err(SendError::InvalidState) if self.tcp.state() == State::Closed => Err(Error::Reset),
            Err(SendError::InvalidState) => Err(Error::Closed),
        }
    }

    fn flush(&mut self) -> Result<(), Error> {
        Ok(())
    }
}

impl ReadReady for Socket<'_, '_> {
    #[inline]
    fn read_ready(&mut self) -> Result<bool, Error> {
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
    fn write_ready(&mut self) -> Result<bool, Error> {
        Ok(self.tcp.can_send() || (!self.tcp.may_send() && !self.is_connecting()))
    }
}

/// Where a listening socket is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Not in use.
    Free,
    /// Aborted: the RST has not left yet, and listening again would cancel it.
    ResetPending,
    Listening,
    /// A SYN came, and the handshake is not over.
    HalfOpen,
    /// Our side is open, whether or not the peer has already closed its side.
    Open,
    /// Our side is closed; the peer has not acknowledged that or not closed its own.
    Closing,
    /// Both sides are closed, and the last acknowledgement is ours.
    TimeWait,
}

pub(crate) fn stage(tcp: &tcp::Socket<'_>) -> Stage {
    match tcp.state() {
        State::Closed if tcp.remote_endpoint().is_some() => Stage::ResetPending,
        State::Closed => Stage::Free,
        State::Listen => Stage::Listening,
        State::SynSent | State::SynReceived => Stage::HalfOpen,
        State::Established | State::CloseWait => Stage::Open,
        State::FinWait1 | State::FinWait2 | State::Closing | State::LastAck => Stage::Closing,
        State::TimeWait => Stage::TimeWait,
    }
}

/// Makes `tcp` listen, whatever it was before: the one place where every option is set.
///
/// What it was before ends without a word to the peer: to reset a connection, [`abort`](tcp::Socket::abort)
/// it, and let the stack send the RST first.
pub(crate) fn arm(tcp: &mut tcp::Socket<'_>, endpoint: IpListenEndpoint, options: &Options) {
    tcp.abort();
    // Congestion state outlives a connection: without this the next one starts with the window,
    // and in the loss recovery, of the one before.
    tcp.set_congestion_control(tcp.congestion_control());
    // Likewise a peer without timestamps turns them off for good.
    tcp.set_tsval_generator(options.timestamps);
    tcp.set_timeout(options.dead_peer_timeout.map(Into::into));
    // Its questions could be taken for an echo: see the module `question`.
    tcp.set_keep_alive(None);
    tcp.set_ack_delay(options.ack_delay.map(Into::into));
    tcp.set_nagle_enabled(options.nagle);
    tcp.set_hop_limit(Some(options.hop_limit.max(1)));
    // Fails only for port 0, which the listener refuses.
    let _ = tcp.listen(endpoint);
}

/// Closes our side in order: all that was written still arrives. To be called each turn until the
/// stage is no longer [`Stage::Open`]: the FIN goes alone, when everything before it has been
/// acknowledged.
///
/// It must not go with data, since smoltcp 0.14 cannot bear that at either end when segments
/// overtake each other. As a sender it believes the window that an older segment tells of, and sends
/// beyond the real one. As a receiver it cuts such a segment at the end of its window, but takes the
/// FIN that was behind what it cut: the last bytes of the echo would be missing.
pub(crate) fn close(tcp: &mut tcp::Socket<'_>) {
    if tcp.send_queue() == 0 {
        tcp.close();
    }
}

/// Drops what has arrived, so that the peer's FIN behind it finds room.
pub(crate) fn discard_input(tcp: &mut tcp::Socket<'_>) {
    // The ring buffer shows what it holds in at most two pieces.
    while tcp.can_recv() && tcp.recv(|data| (data.len(), ())).is_ok() {}
}

/// What is there to read, as far as a session without a buffer can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arrived {
    Nothing,
    Bytes,
    /// The peer's FIN, and every byte before it was read.
    End,
    /// There is no connection any more.
    Reset,
}

pub(crate) fn arrived(tcp: &tcp::Socket<'_>) -> Arrived {
    match tcp.state() {
        // Bytes that came before a reset could not go back.
        State::Closed => Arrived::Reset,
        _ if tcp.can_recv() => Arrived::Bytes,
        _ if tcp.may_recv() => Arrived::Nothing,
        _ => Arrived::End,
    }
}

/// The TCP sockets of a set.
pub(crate) fn tcp_sockets<'x, 'b>(
    set: &'x mut SocketSet<'b>,
) -> impl Iterator<Item = &'x mut tcp::Socket<'b>> {
    set.iter_mut()
        .filter_map(|(_, socket)| tcp::Socket::downcast_mut(socket))
}
