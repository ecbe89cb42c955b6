#!/bin/sh
# smoltcp with its feature `multicast` answers a query of MLD version 2, and none of version 1, whose
# message is four bytes shorter (RFC 3810, 8.1, asks for both). Linux bridges ask in version 1 unless
# told otherwise (mcast_mld_version), and forget the groups of whoever does not answer.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
mkdir src
cat > Cargo.toml <<'END2'
[package]
name = "finding"
edition = "2024"
[dependencies]
smoltcp = { version = "=0.14.0", default-features = false, features = ["std", "medium-ip", "proto-ipv6", "multicast", "socket-raw"] }
END2
cat > src/main.rs <<'END2'
use smoltcp::iface::{Config, Interface, SocketSet};
use smoltcp::phy::{Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::time::Instant;
use smoltcp::wire::{HardwareAddress, Icmpv6Packet, IpCidr, Ipv6Address};

#[derive(Default)]
struct Wire(Option<Vec<u8>>, usize);
struct Rx(Vec<u8>);
struct Tx<'a>(&'a mut usize);
impl RxToken for Rx {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(&self.0)
    }
}
impl TxToken for Tx<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        *self.0 += 1;
        f(&mut vec![0; len])
    }
}
impl Device for Wire {
    type RxToken<'a> = Rx;
    type TxToken<'a> = Tx<'a>;
    fn receive(&mut self, _: Instant) -> Option<(Rx, Tx<'_>)> {
        Some((Rx(self.0.take()?), Tx(&mut self.1)))
    }
    fn transmit(&mut self, _: Instant) -> Option<Tx<'_>> {
        Some(Tx(&mut self.1))
    }
    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        (capabilities.medium, capabilities.max_transmission_unit) = (Medium::Ip, 1500);
        capabilities
    }
}

fn main() {
    let mut wire = Wire::default();
    let mut iface = Interface::new(Config::new(HardwareAddress::Ip), &mut wire, Instant::ZERO);
    let [ours, router, all] = ["fe80::1", "fe80::ff", "ff02::1"].map(|it| it.parse::<Ipv6Address>().unwrap());
    iface.update_ip_addrs(|own| own.push(IpCidr::new(ours.into(), 64)).unwrap());
    iface.join_multicast_group("ff02::1234".parse::<Ipv6Address>().unwrap()).unwrap();
    let mut sockets = SocketSet::new(vec![]);
    iface.poll(Instant::from_secs(1), &mut wire, &mut sockets);
    for (version, len) in [(1, 24), (2, 28)] {
        let mut query = vec![0; len];
        query[0] = 130;
        Icmpv6Packet::new_unchecked(&mut query).fill_checksum(&router, &all);
        let header = [0x60, 0, 0, 0, 0, 8 + len as u8, 0, 1];
        let router_alert = [58, 0, 5, 2, 0, 0, 1, 0];
        wire.0 = Some([&header[..], &router.octets(), &all.octets(), &router_alert, &query].concat());
        wire.1 = 0;
        for second in 2..30 {
            iface.poll(Instant::from_secs(100 * version + second), &mut wire, &mut sockets);
        }
        print!("{} ", wire.1);
    }
}
END2
answers=$(cargo run --quiet)
echo "smoltcp 0.14.0: answers to a query of version 1, and of version 2: $answers"
[ "$answers" = "0 1 " ]
