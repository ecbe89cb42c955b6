//! Segments in a peer's name, for what smoltcp 0.14 does not offer.
//!
//! It exposes neither sequence numbers nor neighbours. So a SYN|ACK is injected, which the stack
//! answers with an acknowledgement: an empty segment with the numbers that are next. And an RST
//! makes the socket of a half-open connection listen.

use core::time::Duration;

use linecho_core::Instant;
use smoltcp::iface::{Interface, SocketSet};
use smoltcp::phy::{ChecksumCapabilities, DeviceCapabilities, Medium, PacketMeta, TxToken};
use smoltcp::socket::tcp;
#[cfg(feature = "proto-ipv4")]
use smoltcp::wire::IPV4_HEADER_LEN;
#[cfg(feature = "proto-ipv6")]
use smoltcp::wire::IPV6_HEADER_LEN;
#[cfg(feature = "medium-ethernet")]
use smoltcp::wire::{
    EthernetAddress, EthernetFrame, EthernetProtocol, EthernetRepr, HardwareAddress, IpVersion,
};
use smoltcp::wire::{
    IpAddress, IpEndpoint, IpProtocol, IpRepr, TcpControl, TcpPacket, TcpRepr, TcpSeqNumber,
    TcpTimestampRepr,
};

#[cfg(feature = "guard")]
use crate::inject::Unsent;
use crate::inject::{Edit, Frame, OneFrame, To};
use crate::time::stack_time;

/// The headers of Ethernet, IPv6 and TCP with timestamps.
const LONGEST_FRAME: usize = 14 + 40 + 32;

/// Two numbers that are half the sequence space apart.
pub(crate) const EITHER: [i32; 2] = [0, i32::MIN];

/// The time between two acknowledgements that the stack makes of a SYN|ACK, or of anything else
/// outside the window.
pub(crate) const RATE_LIMIT: Duration = Duration::from_secs(1);

/// The most that the next such acknowledgement is ahead of the clock, in units of [`RATE_LIMIT`],
/// when probes do not follow one another faster than that: one challenge may be made as if it were
/// a second later, and holds back the next for another.
pub(crate) const AHEAD: u32 = 2;

/// The two ends of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ends {
    pub(crate) local: IpEndpoint,
    pub(crate) peer: IpEndpoint,
}

impl Ends {
    pub(crate) fn of(tcp: &tcp::Socket<'_>) -> Option<Self> {
        Some(Self {
            local: tcp.local_endpoint()?,
            peer: tcp.remote_endpoint()?,
        })
    }

    /// Makes the stack acknowledge, for a connection that is established, or was. Its socket is in
    /// `sockets`.
    ///
    /// The stack ignores a segment whose acknowledgement is older than SND.UNA. So this has to be
    /// done with both of [`EITHER`], one of which is not.
    pub(crate) fn acknowledge<T: TxToken>(
        &self,
        at: Instant,
        acknowledged: i32,
        iface: &mut Interface,
        capabilities: &DeviceCapabilities,
        sockets: &mut SocketSet<'_>,
        (to, edit): (To<'_, T>, Option<Edit<'_>>),
    ) {
        let syn_ack = (
            TcpControl::Syn,
            TcpSeqNumber(0),
            Some(TcpSeqNumber(acknowledged)),
        );
        self.inject(syn_ack, at, iface, capabilities, sockets, (to, edit));
    }

    /// Ends a half-open connection, whose peer began it with the number `irs`.
    #[cfg(feature = "guard")]
    pub(crate) fn refuse<T: TxToken>(
        &self,
        irs: TcpSeqNumber,
        at: Instant,
        iface: &mut Interface,
        capabilities: &DeviceCapabilities,
        sockets: &mut SocketSet<'_>,
    ) {
        let mut no_reply = Unsent::EMPTY;
        let reply = (To::<T>::Unsent(&mut no_reply), None);
        let rst = (TcpControl::Rst, irs + 1, None);
        self.inject(rst, at, iface, capabilities, sockets, reply);
    }

    /// Lets the stack process a segment of the peer: its flag, its number, what it acknowledges.
    fn inject<T: TxToken>(
        &self,
        segment: (TcpControl, TcpSeqNumber, Option<TcpSeqNumber>),
        at: Instant,
        iface: &mut Interface,
        capabilities: &DeviceCapabilities,
        sockets: &mut SocketSet<'_>,
        (to, edit): (To<'_, T>, Option<Edit<'_>>),
    ) {
        let mut bytes = [0; LONGEST_FRAME];
        if let Some(len) = self.write(segment, iface, capabilities.medium, &mut bytes) {
            let (bytes, _) = bytes.split_at(len);
            let meta = PacketMeta::default();
            let mut device = OneFrame {
                frame: Some(Frame { bytes, meta }),
                to: Some(to),
                edit,
                capabilities,
            };
            iface.poll_ingress_single(stack_time(at), &mut device, sockets);
        }
    }

    /// Returns the segment in a frame that is the acknowledgement. It may be a request for the
    /// peer's hardware address instead.
    pub(crate) fn segment<'f>(
        &self,
        frame: &'f mut [u8],
        medium: Medium,
    ) -> Option<TcpPacket<&'f mut [u8]>> {
        let header_len = match self.peer.addr {
            #[cfg(feature = "proto-ipv4")]
            IpAddress::Ipv4(_) => IPV4_HEADER_LEN,
            #[cfg(feature = "proto-ipv6")]
            IpAddress::Ipv6(_) => IPV6_HEADER_LEN,
        };
        let tcp_at = ip_at(medium) + header_len;
        let segment = TcpPacket::new_checked(frame.get_mut(tcp_at..)?).ok()?;
        let ports = (segment.src_port(), segment.dst_port());
        (ports == (self.local.port, self.peer.port)).then_some(segment)
    }

    /// Writes a frame with a segment of the peer, and returns its length.
    #[cfg_attr(
        not(feature = "medium-ethernet"),
        allow(unused_variables, reason = "only Ethernet needs `iface`")
    )]
    fn write(
        &self,
        (control, seq_number, ack_number): (TcpControl, TcpSeqNumber, Option<TcpSeqNumber>),
        iface: &Interface,
        medium: Medium,
        frame: &mut [u8],
    ) -> Option<usize> {
        let checksums = ChecksumCapabilities::default();
        let tcp = TcpRepr {
            src_port: self.peer.port,
            dst_port: self.local.port,
            control,
            seq_number,
            ack_number,
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
        let ip_at = ip_at(medium);
        #[cfg(feature = "medium-ethernet")]
        if medium == Medium::Ethernet {
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
        }
        let tcp_at = ip_at + ip.header_len();
        let end = tcp_at + tcp.buffer_len();
        ip.emit(frame.get_mut(ip_at..end)?, &checksums);
        let mut segment = TcpPacket::new_unchecked(frame.get_mut(tcp_at..end)?);
        tcp.emit(&mut segment, &from, &to, &checksums);
        Some(end)
    }
}

/// Returns where the IP header begins in a frame.
fn ip_at(medium: Medium) -> usize {
    match medium {
        #[cfg(feature = "medium-ethernet")]
        Medium::Ethernet => EthernetFrame::<&[u8]>::header_len(),
        #[allow(unreachable_patterns, reason = "it may be the only medium")]
        _ => 0,
    }
}
