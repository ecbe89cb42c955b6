//! Two devices with the kernel forwarding between them: what one leaves to it, the other may not
//! take.

use linecho_devices::Tap;
use linecho_devices::tap::{RxToken, TxToken};
use linecho_devices::testing::echo::{Client, PORT, Stack, echo, wall_clock};
use linecho_trials::Stop;
use smoltcp::phy::{self, Device, DeviceCapabilities};
use smoltcp::socket::tcp::State;
use smoltcp::time::Instant;
use smoltcp::wire::{IpAddress, IpCidr, Ipv4Address, Ipv6Address};

use crate::ip;

/// The kernel forwards between two devices, and takes over what one has left to it and the other
/// does not take.
pub(crate) fn every_pair_of_devices_talks_through_the_kernel() -> Result<(), Stop> {
    forward_between_two();
    for near_offload in [false, true] {
        for far_offload in [false, true] {
            let [mut near, mut far] = open_two(near_offload, far_offload);
            let [mut client, mut server] = two_stacks(&mut near, &mut far);
            server.socket().listen(PORT).unwrap();
            client.connect(IpAddress::v4(10, 0, 2, 1));
            let now = wall_clock();
            let mut check = Client::new(2_000_000);
            while !check.is_done() {
                client.turn(now(), &mut near, |socket| check.play(socket));
                server.turn(now(), &mut far, echo);
            }
        }
    }
    Ok(())
}

pub(crate) fn a_frame_corrupted_elsewhere_is_dropped() -> Result<(), Stop> {
    forward_between_two();
    let [mut near, mut far] = open_two(false, true);
    let [mut client, mut server] = two_stacks(&mut near, &mut far);
    server.socket().listen(PORT).unwrap();
    client.connect(IpAddress::v4(10, 0, 2, 1));
    let now = wall_clock();
    while client.socket().state() != State::Established {
        client.turn(now(), &mut near, |_| ());
        server.turn(now(), &mut far, echo);
    }
    // The kernel forwards the segment without a look at its checksum.
    client.socket().send_slice(b"hello").unwrap();
    client.turn(now(), &mut Corrupting(&mut near), |_| ());
    while far.counters().received_corrupt == 0 {
        server.turn(now(), &mut far, |socket| assert!(!socket.can_recv()));
    }
    // It comes again, whole.
    while server.socket().recv_queue() < 5 {
        client.turn(now(), &mut near, |_| ());
        server.turn(now(), &mut far, |_| ());
    }
    let mut bytes = [0; 5];
    server.socket().recv_slice(&mut bytes).unwrap();
    assert_eq!(&bytes, b"hello");
    Ok(())
}

/// The link behind the kernel is narrower than ours and the peer's, as behind a tunnel.
pub(crate) fn a_narrower_link_on_the_way_holds_nothing_up() -> Result<(), Stop> {
    forward_between_two();
    // A link of less than 1,280 bytes has no IPv6 any more: that comes last.
    let host: [fn(u16) -> IpAddress; 2] = [host6, host4];
    for (host, mtu) in host.into_iter().zip([1300, 1000]) {
        ip("link set dev tap2 mtu 1500");
        let [mut near, mut far] = open_two(true, false);
        ip(&format!("link set dev tap2 mtu {mtu}"));
        let [mut server, mut client] = two_stacks(&mut near, &mut far);
        server.socket().listen(PORT).unwrap();
        client.connect(host(1));
        let now = wall_clock();
        let mut check = Client::new(300_000);
        while !check.is_done() {
            client.turn(now(), &mut far, |socket| check.play(socket));
            server.turn(now(), &mut near, echo);
        }
    }
    Ok(())
}

fn host4(network: u16) -> IpAddress {
    IpAddress::v4(10, 0, network as u8, 1)
}

fn host6(network: u16) -> IpAddress {
    IpAddress::v6(0xfd00, network, 0, 0, 0, 0, 0, 1)
}

fn forward_between_two() {
    for network in [1, 2] {
        ip(&format!("tuntap add dev tap{network} mode tap"));
        ip(&format!("link set dev tap{network} up"));
        ip(&format!("addr add 10.0.{network}.100/24 dev tap{network}"));
        ip(&format!(
            "addr add fd00:{network}::100/64 dev tap{network} nodad"
        ));
    }
    std::fs::write("/proc/sys/net/ipv4/ip_forward", "1").unwrap();
    std::fs::write("/proc/sys/net/ipv6/conf/all/forwarding", "1").unwrap();
}

fn open_two(near: bool, far: bool) -> [Tap; 2] {
    [("tap1", near), ("tap2", far)].map(|(name, offload)| {
        if offload {
            Tap::open(name)
        } else {
            Tap::open_plain(name)
        }
        .unwrap()
    })
}

fn two_stacks(near: &mut Tap, far: &mut Tap) -> [Stack; 2] {
    [(near, 1), (far, 2)].map(|(tap, network)| {
        let mut stack = Stack::new(tap, network, Instant::ZERO);
        let network = network.into();
        stack.host.iface.update_ip_addrs(|addresses| {
            addresses.clear();
            for own in [
                IpCidr::new(host4(network), 24),
                IpCidr::new(host6(network), 64),
            ] {
                addresses.push(own).unwrap();
            }
        });
        let router4 = Ipv4Address::new(10, 0, network as u8, 100);
        let router6 = Ipv6Address::new(0xfd00, network, 0, 0, 0, 0, 0, 0x100);
        let routes = stack.host.iface.routes_mut();
        routes.add_default_ipv4_route(router4).unwrap();
        routes.add_default_ipv6_route(router6).unwrap();
        stack
    })
}

/// A device that flips a bit in the last byte of each frame that it sends.
struct Corrupting<'a>(&'a mut Tap);

impl Device for Corrupting<'_> {
    type RxToken<'a>
        = RxToken<'a>
    where
        Self: 'a;
    type TxToken<'a>
        = CorruptingToken<'a>
    where
        Self: 'a;

    fn receive(&mut self, now: Instant) -> Option<(RxToken<'_>, CorruptingToken<'_>)> {
        self.0
            .receive(now)
            .map(|(rx, tx)| (rx, CorruptingToken(tx)))
    }

    fn transmit(&mut self, now: Instant) -> Option<CorruptingToken<'_>> {
        self.0.transmit(now).map(CorruptingToken)
    }

    fn capabilities(&self) -> DeviceCapabilities {
        self.0.capabilities()
    }
}

struct CorruptingToken<'a>(TxToken<'a>);

impl phy::TxToken for CorruptingToken<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        self.0.consume(len, |frame| {
            let result = f(frame);
            frame[len - 1] ^= 1;
            result
        })
    }
}
