#!/bin/sh
# smoltcp reports an IPv6 group that it joins with a record of the type CHANGE_TO_INCLUDE and no
# sources, and one that it leaves with CHANGE_TO_EXCLUDE. RFC 3810, 5.2.12, has it the other way
# round: a bridge that snoops takes the join for a leave, and delivers nothing until it queries.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
mkdir src
cat > Cargo.toml <<'END'
[package]
name = "finding"
edition = "2024"
[dependencies]
smoltcp = { version = "=0.14.0", default-features = false, features = ["std", "medium-ethernet", "proto-ipv6", "multicast", "socket-raw"] }
END
cat > src/main.rs <<'END'
use smoltcp::iface::{Config, Interface, SocketSet};
use smoltcp::phy::{Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::time::Instant;
use smoltcp::wire::{EthernetAddress, IpCidr, Ipv6Address};

struct Sent(Vec<Vec<u8>>);
struct Never;
struct Tx<'a>(&'a mut Vec<Vec<u8>>);
impl RxToken for Never {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(&[])
    }
}
impl TxToken for Tx<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let mut frame = vec![0; len];
        let result = f(&mut frame);
        self.0.push(frame);
        result
    }
}
impl Device for Sent {
    type RxToken<'a> = Never;
    type TxToken<'a> = Tx<'a>;
    fn receive(&mut self, _: Instant) -> Option<(Never, Tx<'_>)> {
        None
    }
    fn transmit(&mut self, _: Instant) -> Option<Tx<'_>> {
        Some(Tx(&mut self.0))
    }
    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = 1514;
        capabilities
    }
}

fn main() {
    let mut device = Sent(vec![]);
    let config = Config::new(EthernetAddress([2, 0, 0, 0, 0, 1]).into());
    let mut iface = Interface::new(config, &mut device, Instant::ZERO);
    let ours = Ipv6Address::new(0xfe80, 0, 0, 0, 0, 0, 0, 1);
    iface.update_ip_addrs(|all| all.push(IpCidr::new(ours.into(), 64)).unwrap());
    let group = Ipv6Address::new(0xff02, 0, 0, 0, 0, 0, 0, 0x1234);
    let mut sockets = SocketSet::new(vec![]);
    iface.join_multicast_group(group).unwrap();
    iface.poll(Instant::from_secs(1), &mut device, &mut sockets);
    iface.leave_multicast_group(group).unwrap();
    iface.poll(Instant::from_secs(2), &mut device, &mut sockets);
    // Ethernet, IPv6, hop-by-hop options, then the report (type 143), whose record begins at 8.
    for report in device.0.iter().map(|frame| &frame[14 + 40 + 8..]) {
        let holds = report[0] == 143 && report[8 + 4..8 + 20] == group.octets();
        print!("{}", if holds { format!("{} ", report[8]) } else { String::new() });
    }
}
END
types=$(cargo run --quiet)
echo "smoltcp 0.14.0: joining and leaving a group sends records of the types: $types"
echo "RFC 3810: joining is 4 (CHANGE_TO_EXCLUDE_MODE), leaving 3 (CHANGE_TO_INCLUDE_MODE)"
[ "$types" = "3 4 " ]
