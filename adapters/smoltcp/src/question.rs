//! Asking a peer whether it is still there, and what it has received.
//!
//! smoltcp's own keep-alive cannot be used: it asks with a NUL in the place of the last byte sent, and
//! a peer to which that byte has not come takes the NUL for it. It would be needed just then. smoltcp
//! 0.14 has states in which data waits for the peer, and no timer runs: a window was closed by an older
//! segment that a newer one had overtaken, or by a peer that shrank it; the device was full in the
//! moment of a fast retransmission. What the peer answers to a question gets it out of them. And a FIN
//! of which no timer runs any more, since a fast retransmission has no data to send, is sent again.
//!
//! So a question here is an empty segment that lies before everything that the peer may lack. A peer
//! answers what lies outside its window with what it expects next, and how much of it (RFC 9293,
//! 3.10.7.4). The stack makes the segment, since it does the same: its answer to a stray segment in the
//! peer's name is sent with its sequence number set back.

use linecho_core::Instant;
use smoltcp::iface::{Interface, SocketSet};
use smoltcp::phy::{ChecksumCapabilities, Device, Medium};
use smoltcp::socket::tcp::{self, State};
#[cfg(feature = "medium-ethernet")]
use smoltcp::wire::{
    EthernetAddress, EthernetFrame, EthernetProtocol, EthernetRepr, HardwareAddress, IpVersion,
};
use smoltcp::wire::{
    IpEndpoint, IpProtocol, IpRepr, TcpControl, TcpPacket, TcpRepr, TcpSeqNumber, TcpTimestampRepr,
};

use crate::carrier::{Answer, Carrier};
use crate::stack::stack_time;

/// A peer to ask.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Question {
    local: IpEndpoint,
    peer: IpEndpoint,
    /// How many bytes the peer has not acknowledged.
    unacknowledged: usize,
    /// Our FIN has been sent, and not been acknowledged.
    fin: bool,
}

/// When to ask a peer, to about a second: a slot has 32 bits to spare for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AskAt(u32);

/// A unit is 2^20 microseconds; 32 bits last for 142 years.
const UNIT_BITS: u32 = 20;

impl AskAt {
    pub(crate) const NEVER: Self = Self(u32::MAX);

    pub(crate) fn not_before(at: Instant) -> Self {
        let units = (at.as_micros() >> UNIT_BITS).saturating_add(1);
        Self(u32::try_from(units).unwrap_or(u32::MAX))
    }

    pub(crate) fn instant(self) -> Option<Instant> {
        let at = Instant::from_micros(u64::from(self.0) << UNIT_BITS);
        (self != Self::NEVER).then_some(at)
    }
}

/// The headers of Ethernet, IPv6 and TCP with timestamps.
const LONGEST_STRAY: usize = 14 + 40 + 32;

impl Question {
    /// For the peer of a connection that is established, or was.
    pub(crate) fn about(tcp: &tcp::Socket<'_>) -> Option<Self> {
        Some(Self {
            local: tcp.local_endpoint()?,
            peer: tcp.remote_endpoint()?,
            unacknowledged: tcp.send_queue(),
            fin: matches!(
                tcp.state(),
                State::FinWait1 | State::Closing | State::LastAck
            ),
        })
    }

    /// Asks, unless the device is full. The connection's socket is in `sockets`.
    pub(crate) fn ask<D: Device + ?Sized>(
        &self,
        now: Instant,
        iface: &mut Interface,
        device: &mut D,
        sockets: &mut SocketSet<'_>,
    ) {
        let capabilities = device.capabilities();
        // The stack ignores a segment that acknowledges what has long been. Of two that are half the
        // sequence space apart, one does not.
        for acknowledged in [0, i32::MIN] {
            let mut bytes = [0; LONGEST_STRAY];
            let acknowledged = TcpSeqNumber(acknowledged);
            let stray = self.stray(acknowledged, iface, capabilities.medium, &mut bytes);
            let Some((len, tcp_at)) = stray else {
                return;
            };
            let (stray, _) = bytes.split_at(len);
            let answer = Answer {
                question: self,
                tcp_at,
                checksum: capabilities.checksum.tcp.tx(),
            };
            let mut carrier = Carrier::with_stray(device, stray, answer);
            iface.poll_ingress_single(stack_time(now), &mut carrier, sockets);
        }
    }

    /// Makes the question out of the answer of the stack, a frame whose TCP header begins at `tcp_at`.
    pub(crate) fn set_back(&self, frame: &mut [u8], tcp_at: usize, checksum: bool) {
        let segment = frame.get_mut(tcp_at..).unwrap_or_default();
        // While the hardware address of the peer is not known, what is sent asks for that.
        if let Ok(mut segment) = TcpPacket::new_checked(segment)
            && (segment.src_port(), segment.dst_port()) == (self.local.port, self.peer.port)
        {
            segment.set_seq_number(segment.seq_number() - (self.unacknowledged + 1));
            segment.set_fin(self.fin);
            if checksum {
                segment.fill_checksum(&self.local.addr, &self.peer.addr);
            }
        }
    }

    /// Writes a frame with a SYN|ACK of the peer, which an open connection can only answer or ignore.
    /// How long it is, and where its TCP header begins.
    fn stray(
        &self,
        acknowledged: TcpSeqNumber,
        iface: &Interface,
        medium: Medium,
        frame: &mut [u8],
    ) -> Option<(usize, usize)> {
        let checksums = ChecksumCapabilities::default();
        let tcp = TcpRepr {
            src_port: self.peer.port,
            dst_port: self.local.port,
            control: TcpControl::Syn,
            seq_number: TcpSeqNumber(0),
            ack_number: Some(acknowledged),
            window_len: 0,
            window_scale: None,
            max_seg_size: None,
            sack_permitted: false,
            sack_ranges: [None; 3],
            // The answer has timestamps if the connection does.
            timestamp: Some(TcpTimestampRepr::new(0, 0)),
            payload: &[],
        };
        let (from, to) = (self.peer.addr, self.local.addr);
        let ip = IpRepr::new(from, to, IpProtocol::Tcp, tcp.buffer_len(), 64);
        let ip_at = match medium {
            #[cfg(feature = "medium-ethernet")]
            Medium::Ethernet => {
                let HardwareAddress::Ethernet(dst_addr) = iface.hardware_addr() else {
                    return None;
                };
                let ethernet = EthernetRepr {
                    src_addr: EthernetAddress::default(),
                    dst_addr,
                    ethertype: match ip.version() {
                        #[cfg(feature = "proto-ipv4")]
                        IpVersion::Ipv4 => EthernetProtocol::Ipv4,
                        #[cfg(feature = "proto-ipv6")]
                        IpVersion::Ipv6 => EthernetProtocol::Ipv6,
                    },
                };
                ethernet.emit(&mut EthernetFrame::new_unchecked(&mut *frame));
                ethernet.buffer_len()
            }
            #[cfg(feature = "medium-ip")]
            Medium::Ip => 0,
            #[allow(unreachable_patterns, reason = "smoltcp may have other media")]
            _ => return None,
        };
        let tcp_at = ip_at + ip.header_len();
        let end = tcp_at + tcp.buffer_len();
        ip.emit(frame.get_mut(ip_at..end)?, &checksums);
        let mut segment = TcpPacket::new_unchecked(frame.get_mut(tcp_at..end)?);
        tcp.emit(&mut segment, &from, &to, &checksums);
        Some((end, tcp_at))
    }
}
