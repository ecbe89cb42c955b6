//! The life of a listening socket: stages, and the steps between them.

use smoltcp::iface::SocketSet;
use smoltcp::socket::AnySocket;
use smoltcp::socket::tcp::{self, State};
use smoltcp::wire::IpListenEndpoint;

use crate::options::Options;

/// The stage of a listening socket's life.
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

/// Returns the stage that `tcp` is in.
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
/// A connection on it ends without a segment to the peer: to reset it,
/// [`abort`](tcp::Socket::abort) it, and let the stack send the RST first.
pub(crate) fn arm(tcp: &mut tcp::Socket<'_>, endpoint: IpListenEndpoint, options: &Options) {
    tcp.abort();
    // Congestion state outlives a connection: without this the next one starts with the window,
    // and in the loss recovery, of the one before.
    tcp.set_congestion_control(tcp.congestion_control());
    // Likewise a peer without timestamps turns them off for good.
    tcp.set_tsval_generator(options.timestamps);
    tcp.set_timeout(options.dead_peer_timeout.map(Into::into));
    // A peer may take its garbage byte for an echo: see the module `keep_alive`.
    tcp.set_keep_alive(None);
    tcp.set_ack_delay(options.ack_delay.map(Into::into));
    tcp.set_nagle_enabled(options.nagle);
    tcp.set_hop_limit(Some(options.hop_limit.max(1)));
    // Fails only for port 0, which the listener refuses.
    let _ = tcp.listen(endpoint);
}

/// Closes our side in order: all that was written still arrives. Call it each turn until the stage
/// is no longer [`Stage::Open`]: the FIN goes alone, when everything before it has been
/// acknowledged.
///
/// It must not go with data, since smoltcp 0.14 handles reordered segments wrongly at both ends. As
/// a sender it believes the window in an older segment, and sends beyond the current one. As a
/// receiver it cuts such a segment at the end of its window, but takes the FIN that was behind the
/// cut: the last bytes of the echo would be missing.
pub(crate) fn close(tcp: &mut tcp::Socket<'_>) {
    if tcp.send_queue() == 0 {
        tcp.close();
    }
}

/// Drops what has arrived, so that the peer's FIN behind it finds room.
pub(crate) fn discard_input(tcp: &mut tcp::Socket<'_>) {
    // The ring buffer shows what it holds in at most two pieces.
    while tcp.can_recv() {
        let _ = tcp.recv(|data| (data.len(), ()));
    }
}

/// The input of a socket, as far as it shows without a buffer to read into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arrived {
    Nothing,
    Bytes,
    /// The peer's FIN, and every byte before it was read.
    End,
    /// There is no connection any more.
    Reset,
}

/// Returns what `tcp` has for its reader.
pub(crate) fn arrived(tcp: &tcp::Socket<'_>) -> Arrived {
    match tcp.state() {
        // Bytes that came before a reset could not go back.
        State::Closed => Arrived::Reset,
        _ if tcp.can_recv() => Arrived::Bytes,
        _ if tcp.may_recv() => Arrived::Nothing,
        _ => Arrived::End,
    }
}

/// Returns the TCP sockets of a set.
pub(crate) fn tcp_sockets<'x, 'b>(
    set: &'x mut SocketSet<'b>,
) -> impl Iterator<Item = &'x mut tcp::Socket<'b>> {
    set.iter_mut()
        .filter_map(|(_, socket)| tcp::Socket::downcast_mut(socket))
}
