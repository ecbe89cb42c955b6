//! Signs of a cause in the figures of the kernel.

use crate::tcp_info::TcpInfo;

/// The least MTU of a path of IPv6 (RFC 8200, section 5).
const LEAST_MTU: u32 = 1280;

impl TcpInfo {
    /// Returns `true` if something was sent, or is to be sent, that the peer has not acknowledged.
    pub(super) fn has_unacknowledged(&self) -> bool {
        self.unacknowledged_segments > 0 || self.unsent_bytes.is_some_and(|n| n > 0)
    }

    /// Returns `true` if what is to be sent waits for room at the peer. Older kernels do not tell
    /// the window, but send all that fits into it.
    pub(super) fn is_window_closed(&self) -> bool {
        let is_too_small = self.peer_window.is_none_or(|window| window < self.send_mss);
        let waits = self.unacknowledged_segments == 0 && self.unsent_bytes.is_some_and(|n| n > 0);
        waits && is_too_small || self.peer_window == Some(0)
    }

    /// Returns `true` if the peer has acknowledged no byte, only the handshake.
    pub(super) fn is_nothing_acknowledged(&self) -> bool {
        self.acknowledged_bytes == Some(0) && self.selectively_acknowledged_segments == 0
    }

    /// Returns `true` if full segments, which a path with a smaller MTU would drop, are sent
    /// again and again.
    pub(super) fn repeats_full_segments(&self) -> bool {
        let full_segments = self
            .unacknowledged_bytes
            .is_some_and(|bytes| bytes >= u64::from(self.send_mss));
        full_segments && self.send_mss > LEAST_MTU && self.retransmissions >= 2
    }

    /// Guesses that only large segments are lost: what was acknowledged came in smaller ones.
    pub(super) fn is_like_mtu_black_hole(&self) -> bool {
        let acknowledged = self.acknowledged_bytes.unwrap_or(0);
        let delivered = self.delivered_segments.unwrap_or(0);
        self.repeats_full_segments()
            && !self.is_nothing_acknowledged()
            && acknowledged <= u64::from(delivered) * u64::from(LEAST_MTU)
    }
}
