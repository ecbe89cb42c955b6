//! Multicast Listener Discovery: reports of the groups in which neighbours look for us.
//!
//! Who looks for the hardware address of an IPv6 address sends its solicitation to the address's
//! solicited-node group (RFC 4291, 2.7.1). A bridge that snoops passes it on to those alone who
//! have reported that group (RFC 4541). smoltcp 0.14 reports no group without its feature
//! `multicast`; with it, the report of a new group says that the group is left, and queries of
//! version 1 get no answer.

use core::time::Duration;

use heapless::Vec;
use linecho_core::Instant;
use smoltcp::config::IFACE_MAX_ADDR_COUNT;
use smoltcp::iface::Interface;
use smoltcp::phy::{Device, Medium, TxToken};
use smoltcp::wire::{
    EthernetAddress, EthernetFrame, EthernetProtocol, EthernetRepr, HardwareAddress, Icmpv6Packet,
    IpAddress, IpProtocol, Ipv6Address, Ipv6Packet, Ipv6Repr,
};

use crate::time::stack_time;

/// The time between two looks at the addresses of the interface.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// Reports of new groups are repeated, for they can get lost (RFC 3810, 6.1). The link itself may
/// be plugged in later, or a bridge may not forward yet, and the stack does not know: so the time
/// between two of them doubles until it is longer than this.
const LONGEST_INTERVAL: Duration = Duration::from_secs(32);

/// The routers and bridges that speak version 2 (RFC 3810, 5.2.14).
const REPORT_LISTENERS: Ipv6Address = Ipv6Address::new(0xff02, 0, 0, 0, 0, 0, 0, 0x16);

/// Types of messages (RFC 2710, 3.1; RFC 3810, 5).
const QUERY: u8 = 130;
const REPORT_V1: u8 = 131;
const REPORT_V2: u8 = 143;

/// Types of records in a report of version 2 (RFC 3810, 5.2.12): all sources of the group are
/// wanted, as before, or from now on.
const MODE_IS_EXCLUDE: u8 = 2;
const CHANGE_TO_EXCLUDE_MODE: u8 = 4;

const QUERY_V1_LEN: usize = 24;
const RECORD_LEN: usize = 20;
const LONGEST_MESSAGE: usize = 8 + RECORD_LEN * IFACE_MAX_ADDR_COUNT;

/// The extension header with a router alert, without which routers do not look at a message
/// (RFC 2711): next header, length, the option, two bytes of padding.
const ROUTER_ALERT: [u8; 8] = [58, 0, 5, 2, 0, 0, 1, 0];

const ETHERNET_LEN: usize = 14;
const IPV6_LEN: usize = 40;

type Groups = Vec<Ipv6Address, IFACE_MAX_ADDR_COUNT>;

/// A question for our groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Query {
    V1,
    V2,
}

/// The reports of an interface, and when they are due.
#[derive(Debug)]
pub(crate) struct Reports {
    groups: Groups,
    /// A query that has come, and has not been answered.
    query: Option<Query>,
    /// The next turn in which there is something to do.
    due: Instant,
    /// The next report of the groups, unless they have been reported often enough.
    repeat_at: Option<Instant>,
    interval: Duration,
}

impl Default for Reports {
    fn default() -> Self {
        Self {
            groups: Groups::new(),
            query: None,
            due: Instant::ZERO,
            repeat_at: None,
            interval: LOOK_INTERVAL,
        }
    }
}

impl Reports {
    /// Notes that `query` has come.
    pub(crate) fn note(&mut self, query: Query) {
        self.query = Some(query);
    }

    /// Answers a query that has been noted, when frames have been taken in.
    ///
    /// Hosts are to wait for a random time up to the limit in the query, so that they do not all
    /// answer at once. This answer takes the least.
    #[inline]
    pub(crate) fn answer<D: Device + ?Sized>(
        &mut self,
        now: Instant,
        iface: &Interface,
        device: &mut D,
    ) {
        let Some(query) = self.query.take() else {
            return;
        };
        let groups = groups(iface);
        match query {
            Query::V2 => report(MODE_IS_EXCLUDE, &groups, now, iface, device),
            Query::V1 => {
                for group in &groups {
                    let mut message = Vec::new();
                    put(&mut message, &[REPORT_V1, 0, 0, 0, 0, 0, 0, 0]);
                    put(&mut message, &group.octets());
                    send(*group, &mut message, now, iface, device);
                }
            }
        }
    }

    /// Reports the groups of addresses that are new, and repeats that. Returns when to call again
    /// at the latest.
    #[inline]
    pub(crate) fn turn<D: Device + ?Sized>(
        &mut self,
        now: Instant,
        iface: &Interface,
        device: &mut D,
    ) -> Option<Instant> {
        if now >= self.due {
            self.look(now, iface, device);
        }
        self.repeat_at
    }

    #[cold]
    #[inline(never)]
    fn look<D: Device + ?Sized>(&mut self, now: Instant, iface: &Interface, device: &mut D) {
        if device.capabilities().medium != Medium::Ethernet {
            self.due = Instant::from_micros(u64::MAX);
            return;
        }
        let groups = groups(iface);
        if groups != self.groups {
            self.groups = groups;
            self.interval = LOOK_INTERVAL;
            self.repeat_at = (!self.groups.is_empty()).then_some(now);
        }
        if self.repeat_at.is_some_and(|at| at <= now) {
            report(CHANGE_TO_EXCLUDE_MODE, &self.groups, now, iface, device);
            self.repeat_at = (self.interval <= LONGEST_INTERVAL).then_some(now + self.interval);
            self.interval *= 2;
        }
        let look_at = now + LOOK_INTERVAL;
        self.due = self.repeat_at.map_or(look_at, |at| at.min(look_at));
    }
}

/// Returns the query in a frame, if it is one that has to be answered (RFC 3810, 6.2).
pub(crate) fn query(iface: &Interface, frame: &[u8]) -> Option<Query> {
    let frame = EthernetFrame::new_checked(frame).ok()?;
    if frame.ethertype() != EthernetProtocol::Ipv6 {
        return None;
    }
    let ip = Ipv6Packet::new_checked(frame.payload()).ok()?;
    let (from, to) = (ip.src_addr(), ip.dst_addr());
    // It never comes from behind a router.
    if ip.next_header() != IpProtocol::HopByHop
        || ip.hop_limit() != 1
        || !from.is_unicast_link_local()
    {
        return None;
    }
    let &[next, len] = ip.payload().first_chunk()?;
    let message = ip.payload().get((usize::from(len) + 1) * 8..)?;
    let header = message.first_chunk::<QUERY_V1_LEN>()?;
    let (&[kind, ..], &group) = (header, header.last_chunk::<16>()?);
    if IpProtocol::from(next) != IpProtocol::Icmpv6
        || kind != QUERY
        || !Icmpv6Packet::new_unchecked(message).verify_checksum(&from, &to)
    {
        return None;
    }
    let group = Ipv6Address::from(group);
    if !group.is_unspecified() && !groups(iface).contains(&group) {
        return None;
    }
    match message.len() {
        QUERY_V1_LEN => Some(Query::V1),
        28.. => Some(Query::V2),
        _ => None,
    }
}

/// Returns the solicited-node groups of our addresses, each once.
fn groups(iface: &Interface) -> Groups {
    let mut groups = Groups::new();
    for group in ipv6_addresses(iface).map(solicited_node) {
        if !groups.contains(&group) {
            // There is room for one of each address.
            let _ = groups.push(group);
        }
    }
    groups
}

fn solicited_node(address: Ipv6Address) -> Ipv6Address {
    let [.., a, b, c] = address.octets();
    let low = [u16::from(a) | 0xff00, u16::from_be_bytes([b, c])];
    Ipv6Address::new(0xff02, 0, 0, 0, 0, 1, low[0], low[1])
}

/// Sends a report of version 2 with a record of type `record` for each group.
fn report<D: Device + ?Sized>(
    record: u8,
    groups: &Groups,
    now: Instant,
    iface: &Interface,
    device: &mut D,
) {
    let mut message = Vec::new();
    put(
        &mut message,
        &[REPORT_V2, 0, 0, 0, 0, 0, 0, groups.len() as u8],
    );
    for group in groups {
        put(&mut message, &[record, 0, 0, 0]);
        put(&mut message, &group.octets());
    }
    if !groups.is_empty() {
        send(REPORT_LISTENERS, &mut message, now, iface, device);
    }
}

/// Fills in the checksum of a message, and sends it, unless the device is full.
fn send<D: Device + ?Sized>(
    to: Ipv6Address,
    message: &mut Vec<u8, LONGEST_MESSAGE>,
    now: Instant,
    iface: &Interface,
    device: &mut D,
) {
    #[allow(irrefutable_let_patterns, reason = "smoltcp may have other media")]
    let HardwareAddress::Ethernet(ours) = iface.hardware_addr() else {
        return;
    };
    let headers = headers(ours, link_local(iface), to, message);
    if let Some(tx) = device.transmit(stack_time(now)) {
        tx.consume(headers.len() + message.len(), |frame| {
            let (start, end) = frame.split_at_mut(headers.len());
            start.copy_from_slice(&headers);
            end.copy_from_slice(message);
        });
    }
}

/// Returns all that comes before a message, whose checksum it fills in.
fn headers(
    ours: EthernetAddress,
    from: Ipv6Address,
    to: Ipv6Address,
    message: &mut [u8],
) -> [u8; ETHERNET_LEN + IPV6_LEN + ROUTER_ALERT.len()] {
    Icmpv6Packet::new_unchecked(&mut *message).fill_checksum(&from, &to);
    let [.., a, b, c, d] = to.octets();
    let ethernet = EthernetRepr {
        src_addr: ours,
        dst_addr: EthernetAddress([0x33, 0x33, a, b, c, d]),
        ethertype: EthernetProtocol::Ipv6,
    };
    let ip = Ipv6Repr {
        src_addr: from,
        dst_addr: to,
        next_header: IpProtocol::HopByHop,
        payload_len: ROUTER_ALERT.len() + message.len(),
        hop_limit: 1,
    };
    let mut headers = [0; ETHERNET_LEN + IPV6_LEN + ROUTER_ALERT.len()];
    let (ethernet_header, rest) = headers.split_at_mut(ETHERNET_LEN);
    let (ip_header, extension) = rest.split_at_mut(IPV6_LEN);
    ethernet.emit(&mut EthernetFrame::new_unchecked(ethernet_header));
    ip.emit(&mut Ipv6Packet::new_unchecked(ip_header));
    extension.copy_from_slice(&ROUTER_ALERT);
    headers
}

/// Returns our link-local address. Without one, a report comes from the unspecified address, which
/// bridges take, and routers do not (RFC 3590).
fn link_local(iface: &Interface) -> Ipv6Address {
    ipv6_addresses(iface)
        .find(Ipv6Address::is_unicast_link_local)
        .unwrap_or(Ipv6Address::UNSPECIFIED)
}

fn ipv6_addresses(iface: &Interface) -> impl Iterator<Item = Ipv6Address> {
    iface
        .ip_addrs()
        .iter()
        .filter_map(|cidr| match cidr.address() {
            IpAddress::Ipv6(address) => Some(address),
            #[allow(unreachable_patterns, reason = "there may be one family")]
            _ => None,
        })
}

fn put(message: &mut Vec<u8, LONGEST_MESSAGE>, bytes: &[u8]) {
    // There is room for a record of each address.
    let _ = message.extend_from_slice(bytes);
}
