//! The wait for the peer after our side of a connection was shut down.

use std::io;
use std::time::Duration;

use embedded_io::{Read as _, ReadReady as _};
use linecho_core::Instant;

use crate::next::Next;
use crate::peer::Peer;
use crate::socket::Socket;
use crate::tcp_info::TcpInfo;

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
        if socket.read_ready().unwrap_or(true) {
            match socket.read(&mut dropped) {
                Ok(n @ 1..) if n < self.bytes_left as usize => {
                    self.bytes_left -= u32::try_from(n).unwrap_or(u32::MAX);
                    self.quiet_until = now + QUIET;
                    return Next::Again;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => return Next::Again,
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

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
    use std::thread;

    use mio::net::TcpStream as MioStream;

    use super::*;
    use crate::socket::Ready;

    const START: Instant = Instant::from_millis(1000);

    /// Our end of a connection that we have shut down, and the peer's end, which has seen that.
    fn shut_down() -> (MioStream, TcpStream, Peer) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let peer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (stream, address): (_, SocketAddr) = listener.accept().unwrap();
        stream.set_nonblocking(true).unwrap();
        let stream = MioStream::from_std(stream);
        stream.shutdown(Shutdown::Write).unwrap();
        while TcpInfo::of(&stream).unwrap().unacknowledged_segments > 0 {
            thread::yield_now();
        }
        (stream, peer, address.into())
    }

    #[test]
    fn a_peer_that_closes_is_not_waited_for() {
        let (stream, peer, address) = shut_down();
        drop(peer);
        // Its end is here then.
        while stream.peek(&mut [0]).is_err() {
            thread::yield_now();
        }
        let mut ready = Ready::NEW;
        ready.suppose_input();
        let mut socket = Socket {
            stream: &stream,
            ready: &mut ready,
        };
        let mut linger = Linger::new(START);
        assert!(matches!(
            linger.turn(&mut socket, address, START),
            Next::Close
        ));
    }

    #[test]
    fn a_peer_that_has_everything_and_stays_is_waited_for_a_tenth_of_a_second() {
        let (stream, _peer, address) = shut_down();
        let mut ready = Ready::NEW;
        let mut socket = Socket {
            stream: &stream,
            ready: &mut ready,
        };
        let mut linger = Linger::new(START);
        let Next::Wait(Some(end)) = linger.turn(&mut socket, address, START) else {
            panic!("it is waited for");
        };
        assert_eq!(end, START + Duration::from_millis(100));
        assert!(matches!(
            linger.turn(&mut socket, address, end),
            Next::Close
        ));
    }
}
