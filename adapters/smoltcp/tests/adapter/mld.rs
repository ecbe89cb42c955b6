//! Multicast Listener Discovery: bridges that snoop hear in which groups neighbours look for us.

use std::time::Duration;

use crate::kit::Server;
use crate::kit::ether::{self, OURS, Wire};
use linecho_smoltcp::smoltcp::wire::{
    EthernetAddress, EthernetFrame, EthernetProtocol, Icmpv6Packet, IpCidr, IpProtocol,
    Ipv6Address, Ipv6Packet, Ipv6Repr,
};
use linecho_smoltcp::{HashedListener, Listener, Options};

const SECOND: Duration = Duration::from_secs(1);
const MILLISECOND: Duration = Duration::from_millis(1);

const LINK_LOCAL: Ipv6Address = Ipv6Address::new(0xfe80, 0, 0, 0, 0, 0, 0, 1);
const GLOBAL: Ipv6Address = Ipv6Address::new(0xfd00, 0, 0, 0, 0, 0, 0x12, 0x3456);
/// Their solicited-node groups.
const GROUPS: [Ipv6Address; 2] = [
    Ipv6Address::new(0xff02, 0, 0, 0, 0, 1, 0xff00, 1),
    Ipv6Address::new(0xff02, 0, 0, 0, 0, 1, 0xff12, 0x3456),
];
const ALL_NODES: Ipv6Address = Ipv6Address::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
const REPORT_LISTENERS: Ipv6Address = Ipv6Address::new(0xff02, 0, 0, 0, 0, 0, 0, 0x16);
const ROUTER: Ipv6Address = Ipv6Address::new(0xfe80, 0, 0, 0, 0, 0, 0, 0xff);

fn plain() -> Wire<Listener<'static, 4>> {
    ether::plain(Options::DEFAULT)
}

fn hashed() -> Wire<HashedListener<'static, 4>> {
    ether::hashed(Options::DEFAULT, 4)
}

on_both! {
    groups_are_reported_several_times,
    addresses_that_change_are_reported_anew,
    a_query_of_either_version_is_answered,
    what_is_no_query_for_us_gets_no_answer,
    a_host_without_ipv6_reports_nothing,
}

fn set_addresses<L>(wire: &mut Wire<L>, addresses: &[Ipv6Address]) {
    wire.host.iface.update_ip_addrs(|own| {
        own.clear();
        own.extend(addresses.iter().map(|&it| IpCidr::new(it.into(), 64)));
    });
}

/// A message of Multicast Listener Discovery that the server sent.
#[derive(Debug, PartialEq, Eq)]
struct Message {
    from: Ipv6Address,
    to: Ipv6Address,
    kind: u8,
    /// The groups in it, each with the type of its record in version 2.
    records: Vec<(u8, Ipv6Address)>,
}

/// Takes the messages that the server has sent. All else about them is right.
fn take<L: Server>(wire: &mut Wire<L>) -> Vec<Message> {
    wire.others.drain(..).map(|bytes| read(&bytes)).collect()
}

fn read(bytes: &[u8]) -> Message {
    let frame = EthernetFrame::new_checked(bytes).unwrap();
    assert_eq!(frame.ethertype(), EthernetProtocol::Ipv6);
    let ip = Ipv6Packet::new_checked(frame.payload()).unwrap();
    let (from, to) = (ip.src_addr(), ip.dst_addr());
    let [.., a, b, c, d] = to.octets();
    assert_eq!(frame.dst_addr(), EthernetAddress([0x33, 0x33, a, b, c, d]));
    assert_eq!(frame.src_addr(), OURS);
    assert_eq!(ip.next_header(), IpProtocol::HopByHop);
    assert_eq!(ip.hop_limit(), 1);
    let (extension, message) = ip.payload().split_at(8);
    // A router alert (RFC 2711), and two bytes of padding.
    assert_eq!(extension, [58, 0, 5, 2, 0, 0, 1, 0]);
    assert!(Icmpv6Packet::new_unchecked(message).verify_checksum(&from, &to));
    let group = |bytes: &[u8]| Ipv6Address::from(<[u8; 16]>::try_from(bytes).unwrap());
    let (kind, records) = (message[0], &message[8..]);
    let records: Vec<_> = match kind {
        131 => vec![(0, group(records))],
        143 => records
            .chunks(20)
            .map(|record| (record[0], group(&record[4..])))
            .collect(),
        _ => panic!("{message:?}"),
    };
    assert!(kind == 131 || usize::from(message[7]) == records.len());
    Message {
        from,
        to,
        kind,
        records,
    }
}

/// The report of all groups in version 2.
fn report(from: Ipv6Address, record: u8, groups: &[Ipv6Address]) -> Message {
    Message {
        from,
        to: REPORT_LISTENERS,
        kind: 143,
        records: groups.iter().map(|group| (record, *group)).collect(),
    }
}

fn groups_are_reported_several_times<L: Server>(mut wire: Wire<L>) {
    set_addresses(&mut wire, &[LINK_LOCAL, GLOBAL]);
    for silence in [0, 1, 2, 4, 8, 16, 32] {
        wire.pass((SECOND * silence).saturating_sub(MILLISECOND));
        assert_eq!(take(&mut wire), []);
        wire.pass(MILLISECOND);
        assert_eq!(take(&mut wire), [report(LINK_LOCAL, 4, &GROUPS)]);
    }
    // Then it has been plugged in, or a querier will ask. Nothing is due any more.
    let turns = wire.turns;
    wire.pass(SECOND * 10_000);
    assert_eq!(take(&mut wire), []);
    assert!(wire.turns <= turns + 1, "{}", wire.turns - turns);
}

fn addresses_that_change_are_reported_anew<L: Server>(mut wire: Wire<L>) {
    // Two addresses with the same end have one group. Without a link-local one, a report comes from
    // no address.
    let sister = Ipv6Address::new(0xfd00, 0, 0, 1, 0, 0, 0x12, 0x3456);
    set_addresses(&mut wire, &[GLOBAL, sister]);
    wire.pass(SECOND * 100);
    let reports = take(&mut wire);
    assert_eq!(reports.len(), 7);
    let from = Ipv6Address::UNSPECIFIED;
    assert_eq!(reports[6], report(from, 4, &GROUPS[1..]));
    set_addresses(&mut wire, &[LINK_LOCAL, GLOBAL]);
    wire.pass(MILLISECOND);
    assert_eq!(take(&mut wire), [report(LINK_LOCAL, 4, &GROUPS)]);
    set_addresses(&mut wire, &[]);
    wire.pass(SECOND * 100);
    assert_eq!(take(&mut wire), []);
}

fn a_query_of_either_version_is_answered<L: Server>(mut wire: Wire<L>) {
    set_addresses(&mut wire, &[LINK_LOCAL, GLOBAL]);
    wire.pass(SECOND * 100);
    take(&mut wire);
    for group in [Ipv6Address::UNSPECIFIED, GROUPS[1]] {
        put_query(&wire, &Query { group, ..V2 });
        wire.pass(MILLISECOND);
        assert_eq!(take(&mut wire), [report(LINK_LOCAL, 2, &GROUPS)]);
        put_query(&wire, &Query { group, ..V1 });
        wire.pass(MILLISECOND);
        let answer = |group: Ipv6Address| Message {
            from: LINK_LOCAL,
            to: group,
            kind: 131,
            records: vec![(0, group)],
        };
        assert_eq!(take(&mut wire), GROUPS.map(answer));
    }
}

fn what_is_no_query_for_us_gets_no_answer<L: Server>(mut wire: Wire<L>) {
    set_addresses(&mut wire, &[LINK_LOCAL, GLOBAL]);
    wire.pass(SECOND * 100);
    take(&mut wire);
    let group = Ipv6Address::new(0xff02, 0, 0, 0, 0, 1, 0xff00, 2);
    for query in [
        Query { group, ..V2 },
        Query { from: GLOBAL, ..V2 },
        Query {
            hop_limit: 64,
            ..V2
        },
        Query { kind: 131, ..V2 },
        Query { len: 23, ..V2 },
        Query { len: 25, ..V2 },
        Query { damage: 1, ..V2 },
    ] {
        put_query(&wire, &query);
        wire.pass(MILLISECOND);
        assert_eq!(take(&mut wire), [], "{query:?}");
    }
}

fn a_host_without_ipv6_reports_nothing<L: Server>(mut wire: Wire<L>) {
    put_query(&wire, &V2);
    wire.pass(SECOND * 100);
    assert_eq!(take(&mut wire), []);
}

#[derive(Clone, Copy, Debug)]
struct Query {
    from: Ipv6Address,
    hop_limit: u8,
    kind: u8,
    len: usize,
    group: Ipv6Address,
    /// What is added to a byte behind the checksum.
    damage: u8,
}

const V2: Query = Query {
    from: ROUTER,
    hop_limit: 1,
    kind: 130,
    len: 28,
    group: Ipv6Address::UNSPECIFIED,
    damage: 0,
};
const V1: Query = Query { len: 24, ..V2 };

fn put_query<L: Server>(wire: &Wire<L>, query: &Query) {
    let mut message = [0; 28];
    message[0] = query.kind;
    message[8..24].copy_from_slice(&query.group.octets());
    let message = &mut message[..query.len];
    Icmpv6Packet::new_unchecked(&mut *message).fill_checksum(&query.from, &ALL_NODES);
    message[5] += query.damage;
    let ip = Ipv6Repr {
        src_addr: query.from,
        dst_addr: ALL_NODES,
        next_header: IpProtocol::HopByHop,
        payload_len: 8 + message.len(),
        hop_limit: query.hop_limit,
    };
    let mut packet = vec![0; ip.buffer_len()];
    ip.emit(&mut Ipv6Packet::new_unchecked(&mut packet[..]));
    packet.extend([58, 0, 5, 2, 0, 0, 1, 0]);
    packet.extend_from_slice(message);
    wire.put(
        EthernetAddress([2, 0, 0, 0, 0, 0xff]),
        EthernetAddress([0x33, 0x33, 0, 0, 0, 1]),
        EthernetProtocol::Ipv6,
        &packet,
    );
}
