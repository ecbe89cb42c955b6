//! The wait for the peer after our side of a connection was shut down.

use std::io;
use std::time::Duration;

use embedded_io::{Read as _, ReadReady as _};
use linecho_core::Instant;

use crate::client::tcp_info::TcpInfo;
use crate::next::Next;
use crate::peer::Peer;
use crate::socket::Socket;

/// Reads and drops what the peer still sends after our side was shut down.
///
/// It ends when the peer closes its side. A peer that never does is not waited for longer than
/// necessary: once it has acknowledged everything, our FIN included, all that it had sent before it
/// knew of our end has arrived. When it sends nothing for a moment after that, there is nothing
/// left that a reset could destroy. A system that does not tell what is acknowledged waits to the
/// end.
pub(crate) struct Linger {
    end: Instant,
    /// The end of the moment in which the peer sends nothing.
    quiet_until: Instant,
    bytes_left: u32,
}

/// The longest wait, and the most bytes that are dropped meanwhile.
const LINGER: Duration = Duration::from_secs(2);
const LINGER_BYTES: u32 = 64 << 20;
/// The most bytes that are dropped in a turn.
const BYTES_PER_TURN: usize = 16 << 10;

/// The silence after which a peer that has everything is no longer waited for: longer than an
/// acknowledgement is delayed, which is 40 ms as a rule.
const QUIET: Duration = Duration::from_millis(100);

impl Linger {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            end: now + LINGER,
            quiet_until: now + QUIET,
            bytes_left: LINGER_BYTES,
        }
    }

    pub(crate) fn turn(&mut self, socket: &mut Socket, peer: Peer, now: Instant) -> Next {
        if now >= self.end {
            return Next::Close;
        }
        let mut dropped = [0; BYTES_PER_TURN];
        while socket.read_ready().unwrap_or(true) {
            match socket.read(&mut dropped) {
                Ok(n @ 1..) if n < self.bytes_left as usize => {
                    self.bytes_left -= u32::try_from(n).unwrap_or(u32::MAX);
                    self.quiet_until = now + QUIET;
                    return Next::Again;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(_) | Err(_) => return Next::Close,
            }
        }
        if now >= self.quiet_until {
            if has_everything(socket, peer) {
                return Next::Close;
            }
            self.quiet_until = now + QUIET;
        }
        Next::Wait(Some(self.quiet_until.min(self.end)))
    }
}

/// Returns `true` if the peer's kernel has acknowledged all that was sent, and our FIN.
fn has_everything(socket: &Socket, peer: Peer) -> bool {
    // What was written to a UNIX socket is with the peer.
    peer == Peer::UNIX
        || TcpInfo::of(socket.stream)
            .is_some_and(|info| info.unacknowledged_segments == 0 && info.unsent_bytes == Some(0))
}
