//! A frame that has arrived, on its way to the stack.

use linecho_core::Instant;
use smoltcp::iface::{Interface, SocketSet};
#[cfg(feature = "medium-ethernet")]
use smoltcp::phy::Medium;
use smoltcp::phy::{DeviceCapabilities, TxToken};
use smoltcp::socket::tcp;
use smoltcp::wire::IpAddress;

use crate::ack::{EITHER, Ends, RATE_LIMIT};
#[cfg(feature = "guard")]
use crate::half_open::HalfOpens;
use crate::inject::{Frame, OneFrame, To, Unsent};
use crate::lifecycle::{Stage, stage, tcp_sockets};
#[cfg(all(feature = "medium-ethernet", feature = "proto-ipv6"))]
use crate::mld;
use crate::mld::Reports;
#[cfg(feature = "medium-ethernet")]
use crate::neighbour;
#[cfg(feature = "medium-ethernet")]
use crate::resolution::{self, Resolution};
use crate::segment::{Hardware, Segment};
use crate::time::stack_time;

/// What is remembered of the frames that have arrived.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    last: LastSender,
    #[cfg(feature = "guard")]
    half_open: HalfOpens,
    /// The reports of groups, which also answer a query, in a later turn.
    pub(crate) reports: Reports,
}

/// The sender of the last segment: the stack knows its hardware address.
#[derive(Debug, Default)]
struct LastSender {
    hardware: Hardware,
    address: Option<IpAddress>,
}

impl LastSender {
    #[inline]
    fn sent(&self, segment: &Segment<'_>) -> bool {
        self.hardware == segment.hardware && self.address == Some(segment.flow.remote.addr)
    }
}

pub(crate) struct Arrival<'f, T> {
    pub(crate) now: Instant,
    iface: &'f mut Interface,
    capabilities: &'f DeviceCapabilities,
    frame: Frame<'f>,
    /// The token that sends a reply.
    tx: T,
}

impl<'f, T: TxToken> Arrival<'f, T> {
    pub(crate) fn new(
        now: Instant,
        iface: &'f mut Interface,
        capabilities: &'f DeviceCapabilities,
        frame: Frame<'f>,
        tx: T,
    ) -> Self {
        Self {
            now,
            iface,
            capabilities,
            frame,
            tx,
        }
    }

    /// Returns the TCP segment in the frame, if there is one.
    #[inline(always)]
    pub(crate) fn segment(&self) -> Option<Segment<'f>> {
        Segment::parse(self.frame.bytes, self.capabilities.medium)
    }

    /// Returns whether the checksums of `segment` hold.
    pub(crate) fn is_intact(&self, segment: &Segment<'_>) -> bool {
        segment.is_intact(&self.capabilities.checksum)
    }

    /// Lets the stack process the frame for `sockets`, and does what the stack leaves out. Returns
    /// whether the stack was told a hardware address.
    #[cfg(feature = "guard")]
    #[inline]
    pub(crate) fn enter_guarded(self, heard: &mut Heard, sockets: &mut SocketSet<'_>) -> bool {
        if let Some(segment) = self.segment()
            && !segment.is_syn_or_rst()
            && (!self.is_addressed() || heard.last.sent(&segment))
        {
            self.enter(sockets);
            return false;
        }
        self.enter_rare(heard, sockets)
    }

    /// Does the same as `enter_guarded` for a frame that needs more than the stack. It is out of
    /// line, so that all other frames cost less.
    #[cfg(feature = "guard")]
    #[cold]
    #[inline(never)]
    fn enter_rare(mut self, heard: &mut Heard, sockets: &mut SocketSet<'_>) -> bool {
        let segment = self.segment();
        let told = self.tell_new_sender(segment, &mut heard.last);
        match segment {
            Some(segment) if segment.is_syn() => {
                self.enter_syn(&segment, &mut heard.half_open, sockets);
            }
            Some(segment) => self.enter_checked(&segment, sockets),
            None => {
                self.enter_resolving(&mut heard.reports, sockets);
            }
        }
        told
    }

    /// Lets the stack process a SYN for `sockets`. It ends a half-open connection that began with a
    /// SYN of another number: the peer has started anew (RFC 9293, 3.10.7.4, for SYN-RECEIVED).
    #[cfg(feature = "guard")]
    fn enter_syn(
        self,
        segment: &Segment<'_>,
        half_open: &mut HalfOpens,
        sockets: &mut SocketSet<'_>,
    ) {
        // The stack would drop a damaged SYN. Its number may be what is damaged, and must not end a
        // connection.
        if !self.is_intact(segment) {
            return;
        }
        let (ends, seq) = (segment.ends(), segment.seq());
        if let Some(irs) = half_open.irs(ends, sockets)
            && irs != seq
        {
            let (iface, capabilities) = (&mut *self.iface, self.capabilities);
            ends.refuse::<T>(irs, self.now, iface, capabilities, sockets);
        }
        self.enter_checked(segment, sockets);
        half_open.note(ends, seq, sockets);
    }

    /// Tells the stack the sender's hardware address if it may not know it, and then lets it
    /// process the frame for `sockets`. Returns whether the stack was told an address.
    #[cfg(not(feature = "guard"))]
    pub(crate) fn enter_guarded(mut self, heard: &mut Heard, sockets: &mut SocketSet<'_>) -> bool {
        let told = self.tell_new_sender(self.segment(), &mut heard.last);
        self.enter(sockets);
        told
    }

    /// Tells the stack the hardware address that `segment` came from, and returns `true`. Does
    /// nothing if the segment before came from the same sender, or if this one is for another host.
    fn tell_new_sender(&mut self, segment: Option<Segment<'_>>, last: &mut LastSender) -> bool {
        if !self.is_addressed() {
            return false;
        }
        let Some(segment) = segment else {
            // A frame without a segment may add an address to the stack's cache, and so push out
            // that of the last sender.
            last.address = None;
            return false;
        };
        // The stack hears of the sender by an ARP reply to this address, which must be its own.
        if last.sent(&segment) || !self.iface.has_ip_addr(segment.flow.local) {
            return false;
        }
        last.hardware = segment.hardware;
        last.address = Some(segment.flow.remote.addr);
        self.tell_sender(&segment);
        true
    }

    /// Returns whether frames have hardware addresses.
    fn is_addressed(&self) -> bool {
        #[cfg(feature = "medium-ethernet")]
        return self.capabilities.medium == Medium::Ethernet;
        #[cfg(not(feature = "medium-ethernet"))]
        false
    }

    /// Tells the stack the hardware address of the sender of `segment`, if that is on the link: the
    /// reply then needs no ARP.
    pub(crate) fn tell_sender(&mut self, segment: &Segment<'_>) {
        self.tell(segment, segment.flow.remote.addr);
    }

    /// Tells the stack that `address` is where `segment` came from.
    #[cfg_attr(
        not(feature = "medium-ethernet"),
        allow(unused_variables, reason = "only Ethernet has addresses")
    )]
    fn tell(&mut self, segment: &Segment<'_>, address: IpAddress) {
        #[cfg(feature = "medium-ethernet")]
        if self.capabilities.medium == Medium::Ethernet {
            neighbour::tell::<T>(
                self.now,
                self.iface,
                self.capabilities,
                segment.flow.local,
                address,
                segment.hardware,
            );
        }
    }

    /// Lets the stack process the frame for `sockets`.
    pub(crate) fn enter(self, sockets: &mut SocketSet<'_>) {
        let mut device = OneFrame {
            frame: Some(self.frame),
            to: Some(To::Device(self.tx)),
            edit: None,
            capabilities: self.capabilities,
        };
        self.iface
            .poll_ingress_single(stack_time(self.now), &mut device, sockets);
    }

    /// Lets the stack process a frame without a segment for `sockets`. Requests for an address that
    /// the stack does not answer are answered here; a query for multicast groups is noted in
    /// `reports`, which answer it later. Returns the address that the frame announces, if it does.
    #[cfg_attr(
        not(all(feature = "medium-ethernet", feature = "proto-ipv6")),
        allow(unused_variables, reason = "there are no queries")
    )]
    pub(crate) fn enter_resolving(
        self,
        reports: &mut Reports,
        sockets: &mut SocketSet<'_>,
    ) -> Option<(IpAddress, Hardware)> {
        #[cfg(feature = "medium-ethernet")]
        if self.capabilities.medium == Medium::Ethernet {
            let mut reply = [0; neighbour::LONGEST_FRAME];
            let (iface, capabilities) = (&mut *self.iface, self.capabilities);
            let (bytes, checksums) = (self.frame.bytes, &capabilities.checksum);
            match resolution::examine(self.now, iface, checksums, bytes, &mut reply) {
                Some(Resolution::Request(len)) => {
                    let (reply, _) = reply.split_at(len);
                    self.tx.consume(len, |to| to.copy_from_slice(reply));
                    return None;
                }
                Some(Resolution::Announcement {
                    local,
                    address,
                    hardware,
                }) => {
                    neighbour::tell::<T>(self.now, iface, capabilities, local, address, hardware);
                    return Some((address, hardware));
                }
                #[cfg(feature = "proto-ipv6")]
                None => {
                    if let Some(query) = mld::query(iface, bytes) {
                        reports.note(query);
                    }
                }
                #[cfg(not(feature = "proto-ipv6"))]
                None => {}
            }
        }
        self.enter(sockets);
        None
    }

    /// Lets the stack process the frame for `sockets`, unless it is an RST or a SYN for an open
    /// connection that only looks as if it came from the peer (RFC 5961).
    ///
    /// An RST has to have the very number that is expected next, and a SYN ends no connection. Both
    /// are answered with an acknowledgement: a peer that has really lost the connection answers
    /// that with an exact RST.
    #[cfg_attr(
        not(feature = "medium-ethernet"),
        allow(unused_mut, reason = "only Ethernet has addresses")
    )]
    pub(crate) fn enter_checked(mut self, segment: &Segment<'_>, sockets: &mut SocketSet<'_>) {
        if !segment.is_syn_or_rst() {
            return self.enter(sockets);
        }
        let Some(ends) = open_connection(segment, sockets) else {
            return self.enter(sockets);
        };
        #[cfg(feature = "medium-ethernet")]
        if let Some(hop) = neighbour::next_hop(self.now, self.iface, ends.peer.addr) {
            self.tell(segment, hop);
        }
        let mut reply = Unsent::EMPTY;
        // The stack acknowledges a SYN|ACK once a second, and may just have done so: the second
        // attempt is for a time when it may again.
        for at in [self.now, self.now + RATE_LIMIT] {
            for acknowledged in EITHER {
                if reply.frame().is_empty() {
                    let to = To::<T>::Unsent(&mut reply);
                    let (iface, capabilities) = (&mut *self.iface, self.capabilities);
                    ends.acknowledge(at, acknowledged, iface, capabilities, sockets, (to, None));
                }
            }
        }
        let Some(ack) = ends.segment(reply.frame(), self.capabilities.medium) else {
            // Such segments come faster than the stack acknowledges them. This one is dropped.
            return;
        };
        if segment.is_rst() && segment.seq() == ack.ack_number() {
            return self.enter(sockets);
        }
        let frame = reply.frame();
        self.tx.consume(frame.len(), |to| to.copy_from_slice(frame));
    }
}

/// Returns the ends of the open connection in `sockets` that the segment belongs to.
fn open_connection(segment: &Segment<'_>, sockets: &mut SocketSet<'_>) -> Option<Ends> {
    let ends = segment.ends();
    let is_it = |tcp: &mut tcp::Socket<'_>| {
        Ends::of(tcp) == Some(ends) && matches!(stage(tcp), Stage::Open | Stage::Closing)
    };
    tcp_sockets(sockets).any(is_it).then_some(ends)
}
