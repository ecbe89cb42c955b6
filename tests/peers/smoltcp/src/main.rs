//! A line echo on smoltcp's own TAP device, as its examples are written.

mod echo;

use std::env;
use std::os::fd::AsRawFd;

use echo::Echo;
use smoltcp::iface::{Config, Interface, SocketSet};
use smoltcp::phy::{Medium, TunTapInterface, wait};
use smoltcp::time::Instant;
use smoltcp::wire::{EthernetAddress, IpCidr};

const CONNECTIONS: usize = 64;
const LONGEST_LINE: usize = 65_536;

/// Takes the name of the TAP device, the server's address with the length of its prefix, its port,
/// and the length of each socket's buffers.
fn main() {
    let arguments: Vec<String> = env::args().collect();
    let [_, tap, address, port, socket_buffer] = &arguments[..] else {
        panic!("usage: peer-smoltcp TAP ADDRESS/BITS PORT SOCKET_BUFFER");
    };
    let address: IpCidr = address.parse().expect("ADDRESS/BITS");
    let port = port.parse().expect("PORT is a number");
    let socket_buffer = socket_buffer.parse().expect("SOCKET_BUFFER is a number");

    let mut device = TunTapInterface::new(tap, Medium::Ethernet).expect("a TAP device");
    let fd = device.as_raw_fd();
    let hardware = EthernetAddress([0x02, 0, 0, 0, 0, 0x01]);
    let mut iface = Interface::new(Config::new(hardware.into()), &mut device, Instant::now());
    iface.update_ip_addrs(|addresses| addresses.push(address).expect("room for an address"));
    let mut sockets = SocketSet::new(Vec::new());
    let mut echo = Echo::new(port, CONNECTIONS, socket_buffer, LONGEST_LINE, &mut sockets);
    loop {
        let now = Instant::now();
        iface.poll(now, &mut device, &mut sockets);
        echo.serve(&mut sockets);
        wait(fd, iface.poll_delay(now, &sockets)).expect("select(2) works");
    }
}
