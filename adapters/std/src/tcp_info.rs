//! The kernel's own figures about a connection: `TCP_INFO`, tcp(7).

use std::time::Duration;

/// The kernel's figures about a TCP connection (Linux; `None` fields are of newer kernels).
///
/// The layout is that of `struct tcp_info` in linux/tcp.h, which only grows at its end.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TcpInfo {
    /// The largest segment that we send, in bytes of payload.
    pub send_mss: u32,
    /// The largest segment that the peer announced or sent, in bytes of payload.
    pub receive_mss: u32,
    /// The MTU of the path as far as it is known, in bytes.
    pub path_mtu: u32,
    /// The window scales, ours for sending (the peer's) and for receiving, if both sides scale.
    pub window_scale: Option<(u8, u8)>,
    /// True if selective acknowledgements were agreed on.
    pub sack: bool,
    /// True if timestamps were agreed on.
    pub timestamps: bool,
    /// True if explicit congestion notification was agreed on.
    pub ecn: bool,
    /// Segments that were sent and not acknowledged.
    pub unacknowledged_segments: u32,
    /// Segments of those that came out of order, and wait for others at the peer (selective
    /// acknowledgements).
    pub selectively_acknowledged_segments: u32,
    /// Bytes that were sent and not acknowledged.
    pub unacknowledged_bytes: Option<u64>,
    /// Bytes that wait in the send buffer to be sent for the first time.
    pub unsent_bytes: Option<u32>,
    /// Retransmissions of the oldest segment that is not acknowledged.
    pub retransmissions: u8,
    /// Retransmissions since the beginning of the connection.
    pub total_retransmissions: u32,
    /// Probes of the peer's closed window, or keep-alive probes, that got no answer.
    pub unanswered_probes: u8,
    /// The window that the peer announced last, in bytes.
    pub peer_window: Option<u32>,
    /// The time since the last acknowledgement came.
    pub last_ack_received: Duration,
    /// The smoothed round-trip time.
    pub round_trip: Duration,
    /// The bytes that the peer has acknowledged.
    pub acknowledged_bytes: Option<u64>,
    /// The segments of ours that reached the peer, the SYN included.
    pub delivered_segments: Option<u32>,
    /// The segments that came from the peer, those that were of no use included.
    pub received_segments: Option<u32>,
}

/// `TCPI_OPT_*` of linux/tcp.h.
const TIMESTAMPS: u8 = 1;
const SACK: u8 = 2;
const WINDOW_SCALE: u8 = 4;
const ECN: u8 = 8;

impl TcpInfo {
    /// Reads the figures of a connection that we opened; `None` where the system offers none.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    #[must_use]
    pub fn of(socket: &impl std::os::fd::AsFd) -> Option<Self> {
        use std::os::fd::AsRawFd as _;
        let mut bytes = [0_u8; 512];
        let mut length = libc::socklen_t::try_from(bytes.len()).ok()?;
        // SAFETY: the kernel writes at most `length` bytes to `bytes`, which has as many, and says
        // in `length` how many there were. The descriptor is open as long as `socket` is
        // borrowed.
        #[allow(unsafe_code)]
        let result = unsafe {
            libc::getsockopt(
                socket.as_fd().as_raw_fd(),
                libc::IPPROTO_TCP,
                libc::TCP_INFO,
                bytes.as_mut_ptr().cast(),
                &raw mut length,
            )
        };
        if result != 0 {
            return None;
        }
        Self::parse(bytes.get(..length as usize)?)
    }

    /// Reads the figures of a connection that we opened; `None` where the system offers none.
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    #[must_use]
    pub fn of<S>(_: &S) -> Option<Self> {
        None
    }

    #[cfg_attr(
        not(any(target_os = "linux", target_os = "android")),
        expect(dead_code)
    )]
    fn parse(bytes: &[u8]) -> Option<Self> {
        let u8_at = |at: usize| bytes.get(at).copied();
        let u32_at = |at: usize| {
            let field = bytes.get(at..at + 4)?;
            Some(u32::from_ne_bytes(field.try_into().ok()?))
        };
        let u64_at = |at: usize| {
            let field = bytes.get(at..at + 8)?;
            Some(u64::from_ne_bytes(field.try_into().ok()?))
        };
        let options = u8_at(5)?;
        let scales = u8_at(6)?;
        // Two fields of four bits; the first is the low one on little-endian machines.
        let scales = match cfg!(target_endian = "little") {
            true => (scales & 15, scales >> 4),
            false => (scales >> 4, scales & 15),
        };
        // The SYN counts as an acknowledged byte on the side that connected.
        let acknowledged = u64_at(120).map(|n| n.saturating_sub(1));
        let sent = u64_at(200).zip(u64_at(208));
        Some(Self {
            retransmissions: u8_at(2)?,
            unanswered_probes: u8_at(3)?,
            window_scale: (options & WINDOW_SCALE != 0).then_some(scales),
            sack: options & SACK != 0,
            timestamps: options & TIMESTAMPS != 0,
            ecn: options & ECN != 0,
            send_mss: u32_at(16)?,
            receive_mss: u32_at(20)?,
            unacknowledged_segments: u32_at(24)?,
            selectively_acknowledged_segments: u32_at(28)?,
            last_ack_received: Duration::from_millis(u32_at(56)?.into()),
            path_mtu: u32_at(60)?,
            round_trip: Duration::from_micros(u32_at(68)?.into()),
            total_retransmissions: u32_at(100)?,
            unsent_bytes: u32_at(144),
            unacknowledged_bytes: sent.zip(acknowledged).map(|((sent, again), acknowledged)| {
                sent.saturating_sub(again).saturating_sub(acknowledged)
            }),
            peer_window: u32_at(228),
            acknowledged_bytes: acknowledged,
            delivered_segments: u32_at(192),
            received_segments: u32_at(140),
        })
    }
}
