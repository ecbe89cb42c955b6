//! The host on the link: its interface, and the listener with its sockets.

use std::hash::{BuildHasher as _, RandomState};
use std::net::IpAddr;

use linecho_devices::Link;
use linecho_examples::options::SessionOptions;
use linecho_smoltcp::smoltcp::iface::{self, Interface, SocketStorage};
use linecho_smoltcp::smoltcp::socket::tcp::{CongestionControl, ListenError, Socket, SocketBuffer};
use linecho_smoltcp::smoltcp::wire::EthernetAddress;
use linecho_smoltcp::{HashedListener, HashedSlot, Instant, Options, stack_time};

use crate::address;
use crate::options::{Arguments, MAX_SLOTS};

/// Returns the hardware address: the one that is asked for, else one that differs from that of
/// another host as the address does, or by chance if there is none yet.
pub(crate) fn hardware(arguments: &Arguments) -> EthernetAddress {
    let first = arguments.ip.first().copied();
    arguments
        .mac
        .unwrap_or_else(|| first.map_or_else(|| address::any_hardware(random()), address::hardware))
}

pub(crate) fn interface<L: Link>(
    arguments: &Arguments,
    hardware: EthernetAddress,
    link: &mut L,
    now: Instant,
) -> Interface {
    let own = &arguments.ip;
    let mut config = iface::Config::new(hardware.into());
    // Others must not guess the sequence numbers of connections.
    config.random_seed = random();
    let mut iface = Interface::new(config, link, stack_time(now));
    // There is room: the options are checked.
    iface.update_ip_addrs(|addresses| addresses.extend(own.iter().copied()));
    for gateway in &arguments.gateway {
        let routes = iface.routes_mut();
        let _ = match *gateway {
            IpAddr::V4(gateway) => routes.add_default_ipv4_route(gateway),
            IpAddr::V6(gateway) => routes.add_default_ipv6_route(gateway),
        };
    }
    iface
}

/// As many sockets and line buffers as slots, for the rest of the program. The kernel hands out
/// their memory when it is used.
pub(crate) fn listener(
    arguments: &Arguments,
) -> Result<HashedListener<'static, MAX_SLOTS>, ListenError> {
    let (slots, max_line) = (
        usize::from(arguments.slots),
        arguments.session.max_line as usize,
    );
    let places: Vec<_> = (0..slots).map(|_| HashedSlot::default()).collect();
    let storage: Vec<_> = (0..slots).map(|_| SocketStorage::EMPTY).collect();
    HashedListener::new(
        arguments.port,
        options(&arguments.session),
        random(),
        places.leak(),
        storage.leak(),
        (0..slots).map(|_| socket(arguments.socket_buffer as usize)),
        vec![0; slots * max_line].leak().chunks_mut(max_line),
    )
}

/// Returns the options of each connection. Probes go out four times as often as asked for, since
/// some connections of smoltcp only resume when a probe is answered.
fn options(session: &SessionOptions) -> Options {
    let keep_alive = Some(session.keep_alive).filter(|time| !time.is_zero());
    Options {
        keep_alive: keep_alive.map(|time| time / 4),
        dead_peer_timeout: keep_alive.map(|time| time * 2),
        ..Options::from(session.config())
    }
}

/// A number that others cannot guess: hashers are seeded by the kernel.
pub(crate) fn random() -> u64 {
    RandomState::new().hash_one(())
}

fn socket(buffer: usize) -> Socket<'static> {
    let buffer = || SocketBuffer::new(vec![0; buffer]);
    let mut socket = Socket::new(buffer(), buffer());
    // The link is as fast as this program: there is nothing on the way that could be congested.
    socket.set_congestion_control(CongestionControl::None);
    socket
}
