//! A server that moves no byte: what the kernel knows of the connection, in words.

use std::fmt;
use std::time::Duration;

use linecho_core::Position;

use super::cause::{TAIL_LOST, bytes};
use super::tcp_info::TcpInfo;

/// A time in which nothing came back though something was to.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Silence {
    /// The next byte that was to come back.
    pub place: Position,
    /// The time that was waited.
    pub waited: Duration,
    /// The number of bytes that had come back before.
    pub returned: u64,
    /// True if we had shut down our sending side: only the unterminated rest of the last line was
    /// missing then.
    pub half_closed: bool,
    /// The kernel's view of the connection, where it says so (Linux).
    pub tcp: Option<TcpInfo>,
}

impl fmt::Display for Silence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { place, waited, .. } = self;
        write!(f, "{place}: nothing came back for {waited:?}")?;
        match &self.tcp {
            Some(tcp)
                if tcp.unacknowledged_segments > 0 || tcp.unsent_bytes.is_some_and(|n| n > 0) =>
            {
                write!(f, ": {}", Unacknowledged(tcp))
            }
            _ if self.half_closed => write!(f, ": {TAIL_LOST}"),
            Some(_) if self.returned == 0 => f.write_str(
                ": everything that was sent is acknowledged, so a TCP at the other end has it, but \
                 nothing answers: a server that hangs or does not echo, or a proxy without one",
            ),
            Some(_) => f.write_str(
                ": everything that was sent is acknowledged: the other end has it and stopped \
                 answering",
            ),
            None => Ok(()),
        }
    }
}

/// The bytes that are not acknowledged, and a reason for that.
struct Unacknowledged<'a>(&'a TcpInfo);

impl fmt::Display for Unacknowledged<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tcp = self.0;
        let unsent = tcp.unsent_bytes.unwrap_or(0);
        if tcp.peer_window == Some(0) || (tcp.unacknowledged_segments == 0 && unsent > 0) {
            return write!(
                f,
                "the other end acknowledges, but its window is closed (0 bytes) with {} left to \
                 send: the server does not read",
                bytes(unsent.into())
            );
        }
        match tcp.unacknowledged_bytes {
            Some(n) => write!(f, "{} that we sent are not acknowledged", bytes(n))?,
            None => write!(
                f,
                "{} segments that we sent are not acknowledged",
                tcp.unacknowledged_segments
            )?,
        }
        let silence =
            Duration::from_millis(tcp.last_ack_received.as_millis().try_into().unwrap_or(0));
        write!(
            f,
            " after {} retransmissions, and the last acknowledgement came {silence:?} ago",
            tcp.retransmissions
        )?;
        if tcp.is_like_mtu_black_hole() {
            return write!(
                f,
                ": smaller segments got through, those of {} bytes do not: the path has a smaller \
                 MTU, and the ICMP messages that say so are filtered (try a smaller MTU here)",
                tcp.send_mss
            );
        }
        f.write_str(
            ": packets are lost in one direction or both: the link or the host is down, a filter \
             drops them, or a NAT has forgotten the connection",
        )
    }
}
