//! A server that moves no byte: what the kernel knows of the connection, in words.

mod signs;

use std::fmt;
use std::io;
use std::time::Duration;

use linecho_core::Position;

use super::cause::{TAIL_LOST, bytes, counted};
use super::local_fault::LocalFault;
use crate::tcp_info::TcpInfo;

/// A silence before the last bytes were sent that a NAT or a firewall may not outlast.
const IDLE: Duration = Duration::from_secs(5);

/// A time in which nothing came back though something was to.
#[derive(Debug)]
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
    /// The segments that came in the last two thirds of the time, of use or not, where the kernel
    /// counts them (Linux).
    pub segments_meanwhile: Option<u32>,
    /// The fault of this machine's own end, if there is one.
    pub local_fault: Option<LocalFault>,
    /// The trouble that the network reported meanwhile, for example by ICMP, and that TCP goes on
    /// after.
    pub reported: Option<io::Error>,
}

impl fmt::Display for Silence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { place, waited, .. } = self;
        write!(f, "{place}: nothing came back for {waited:?}")?;
        match &self.tcp {
            Some(tcp) if tcp.has_unacknowledged() => self.unacknowledged(f, tcp),
            _ if self.local_fault.is_some() || self.reported.is_some() => self.known_fault(f),
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

impl Silence {
    /// Something that was sent, or is to be sent, is not acknowledged.
    fn unacknowledged(&self, f: &mut fmt::Formatter<'_>, tcp: &TcpInfo) -> fmt::Result {
        let unsent = tcp.unsent_bytes.unwrap_or(0);
        if tcp.is_window_closed() {
            write!(
                f,
                ": the other end's window is closed ({}) with {} left to send",
                bytes(tcp.peer_window.unwrap_or(0).into()),
                bytes(unsent.into())
            )?;
        } else if tcp.unacknowledged_segments == 0 {
            write!(f, ": {} could not be sent", bytes(unsent.into()))?;
        } else {
            let segments = u64::from(tcp.unacknowledged_segments);
            let (n, what) = match tcp.unacknowledged_bytes {
                Some(n) => (n, bytes(n)),
                None => (segments, counted(segments, "segment")),
            };
            write!(
                f,
                ": {what} that we sent {} not acknowledged after {}, and the last acknowledgement \
                 came {:?} ago",
                if n == 1 { "is" } else { "are" },
                counted(tcp.retransmissions.into(), "retransmission"),
                tcp.last_ack_received
            )?;
        }
        match self.local_fault.is_some() || self.reported.is_some() {
            true => self.known_fault(f),
            false => self.guess(f, tcp),
        }
    }

    /// Whatever else there may be, this must be mended first.
    fn known_fault(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(fault) = &self.local_fault {
            return write!(f, ": {fault}");
        }
        match &self.reported {
            Some(error) => write!(f, ": the network reports: {error}"),
            None => Ok(()),
        }
    }

    /// The likely reason for which TCP does not get on.
    fn guess(&self, f: &mut fmt::Formatter<'_>, tcp: &TcpInfo) -> fmt::Result {
        let meanwhile = self.segments_meanwhile.unwrap_or(0);
        let sends = meanwhile > 0;
        let meanwhile = counted(meanwhile.into(), "segment");
        let is_first = self.returned == 0 && tcp.is_nothing_acknowledged();
        let idle = tcp.last_ack_received.saturating_sub(self.waited);
        let idle = Duration::from_secs(idle.as_secs());
        let reason = match () {
            () if tcp.is_window_closed() && is_first => {
                ": the handshake was answered with a closed window, and nothing since: something \
                 answers in place of a server that is down (a SYN proxy)"
            }
            () if tcp.is_window_closed() && tcp.unanswered_probes >= 2 => {
                return write!(
                    f,
                    ": {} probes of the window got no answer: the server did not read, and then it \
                     or the way to it went down",
                    tcp.unanswered_probes
                );
            }
            () if tcp.is_window_closed() => {
                ": the other end acknowledges, but the server does not read"
            }
            () if sends && is_first => {
                return write!(
                    f,
                    ": the other end sends ({meanwhile} meanwhile) and takes nothing: its \
                     queue of new connections is full, or a filter drops what we send"
                );
            }
            () if sends => {
                return write!(
                    f,
                    ": what the other end sends still arrives ({meanwhile} meanwhile), and \
                     what we send does not: the way there alone is cut, by a filter or a route"
                );
            }
            () if tcp.is_like_mtu_black_hole() => {
                return write!(
                    f,
                    ": smaller segments got through, those of {} bytes do not: most likely the path \
                     has a smaller MTU, and the ICMP messages that say so are filtered (try a \
                     smaller MTU here)",
                    tcp.send_mss
                );
            }
            () if is_first && tcp.repeats_full_segments() => {
                return write!(
                    f,
                    ": the handshake was answered, and nothing since, but all segments were of {} \
                     bytes. If short lines come back, the path has a smaller MTU, and the ICMP \
                     messages that say so are filtered; if not, something answers in place of a \
                     server that is down, or a filter drops all but handshakes",
                    tcp.send_mss
                );
            }
            () if is_first => {
                ": the handshake was answered, and nothing since: something answers in place of a \
                 server that is down (a SYN proxy, a balancer), its queue of new connections is full, \
                 or a filter drops all but handshakes"
            }
            () if idle >= IDLE => {
                return write!(
                    f,
                    ". Nothing had come for {idle:?} before that: a NAT or a firewall on the way has \
                     forgotten the connection (more frequent keep-alive probes prevent that), or the \
                     link or the host went down meanwhile"
                );
            }
            () => {
                ": packets are lost on the way there, on the way back, or on both: a link or the host \
                 is down, or a filter drops them"
            }
        };
        f.write_str(reason)
    }
}

#[cfg(test)]
mod tests;
