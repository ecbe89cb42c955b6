//! Keep-alive probes (RFC 1122, 4.2.3.6).
//!
//! Those of smoltcp carry a garbage byte at the last sequence number sent, and a peer that lacks
//! the byte with that number takes it for data. Ours are empty segments below SND.UNA: a peer
//! answers what lies outside its window with what it expects next, and how much of it (RFC 9293,
//! 3.10.7.4).
//!
//! The answer also gets a connection going again for which smoltcp 0.14 has data in flight and no
//! timer: an older segment that a newer one had overtaken, or a peer that shrank its window, closed
//! the window; or the device was full at the moment of a fast retransmission. And a FIN that a fast
//! retransmission left without a timer goes out again with the probe.
//!
//! smoltcp exposes neither sequence numbers nor neighbours. So a SYN|ACK in the peer's name is
//! injected, which the stack answers with an acknowledgement, and the sequence number of that is
//! set below SND.UNA.

use linecho_core::Instant;
use smoltcp::iface::{Interface, SocketSet};
use smoltcp::phy::{ChecksumCapabilities, Device, Medium, PacketMeta};
use smoltcp::socket::tcp::{self, State};
#[cfg(feature = "medium-ethernet")]
use smoltcp::wire::{
    EthernetAddress, EthernetFrame, EthernetProtocol, EthernetRepr, HardwareAddress, IpVersion,
};
use smoltcp::wire::{
    IpEndpoint, IpProtocol, IpRepr, TcpControl, TcpPacket, TcpRepr, TcpSeqNumber, TcpTimestampRepr,
};

use crate::inject::{Frame, OneFrame};
use crate::time::stack_time;

/// A keep-alive probe for one connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KeepAlive {
    local: IpEndpoint,
    peer: IpEndpoint,
    /// The bytes between SND.UNA and what is next to be written.
    unacknowledged: usize,
    /// Our FIN was sent, and is not acknowledged.
    fin: bool,
}

/// The time of the next probe, to about a second: a slot has 32 bits to spare for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ProbeAt(u32);

/// A unit is 2^20 microseconds; 32 bits last for 142 years.
const UNIT_BITS: u32 = 20;

impl ProbeAt {
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
const LONGEST_FRAME: usize = 14 + 40 + 32;

impl KeepAlive {
    /// Makes a probe for a connection that is established, or was.
    pub(crate) fn new(tcp: &tcp::Socket<'_>) -> Option<Self> {
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

    /// Sends the probe, unless the device is full. The connection's socket is in `sockets`.
    pub(crate) fn send<D: Device + ?Sized>(
        &self,
        now: Instant,
        iface: &mut Interface,
        device: &mut D,
        sockets: &mut SocketSet<'_>,
    ) {
        let capabilities = device.capabilities();
        // The stack ignores a segment whose acknowledgement is older than SND.UNA. Of two that are
        // half the sequence space apart, one is not.
        for acknowledged in [0, i32::MIN] {
            let mut bytes = [0; LONGEST_FRAME];
            let acknowledged = TcpSeqNumber(acknowledged);
            let written = self.write_syn_ack(acknowledged, iface, capabilities.medium, &mut bytes);
            let Some((len, tcp_at)) = written else {
                return;
            };
            let (bytes, _) = bytes.split_at(len);
            let Some(tx) = device.transmit(stack_time(now)) else {
                return;
            };
            let meta = PacketMeta::default();
            let checksum = capabilities.checksum.tcp.tx();
            let mut device = OneFrame {
                frame: Some(Frame { bytes, meta }),
                tx: Some(tx),
                edit: Some(&|reply: &mut [u8]| self.set_back(reply, tcp_at, checksum)),
                capabilities: &capabilities,
            };
            iface.poll_ingress_single(stack_time(now), &mut device, sockets);
        }
    }

    /// Turns the stack's reply, a frame whose TCP header begins at `tcp_at`, into the probe.
    fn set_back(&self, reply: &mut [u8], tcp_at: usize, checksum: bool) {
        let segment = reply.get_mut(tcp_at..).unwrap_or_default();
        // Without the peer's hardware address, the stack sends a request for that instead.
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

    /// Writes a frame with a SYN|ACK of the peer, which an open connection can only answer or
    /// ignore. Returns its length, and where its TCP header begins.
    #[cfg_attr(
        not(feature = "medium-ethernet"),
        allow(unused_variables, reason = "only Ethernet needs `iface`")
    )]
    fn write_syn_ack(
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
                #[allow(irrefutable_let_patterns, reason = "smoltcp may have other media")]
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
