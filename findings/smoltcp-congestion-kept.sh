#!/bin/sh
# smoltcp: a socket that listens again begins with the congestion window of its last connection. There
# is no slow start for the next peer, who is at once sent what another path was found to take, unless
# set_congestion_control is called again.
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
smoltcp = { version = "=0.14.0", default-features = false, features = ["std", "medium-ip", "proto-ipv4", "socket-tcp", "socket-tcp-reno"] }
END
cat > src/main.rs <<'END'
use smoltcp::iface::{Config, Interface, SocketSet};
use smoltcp::phy::{Loopback, Medium};
use smoltcp::socket::tcp::{CongestionControl, Socket, SocketBuffer, State};
use smoltcp::time::Instant;
use smoltcp::wire::{HardwareAddress, IpAddress, IpCidr};

fn new_socket() -> Socket<'static> {
    let [receive, send] = [(); 2].map(|()| SocketBuffer::new(vec![0; 20_000]));
    let mut socket = Socket::new(receive, send);
    socket.set_congestion_control(CongestionControl::Reno);
    socket
}

fn main() {
    let mut device = Loopback::new(Medium::Ip);
    let mut iface = Interface::new(Config::new(HardwareAddress::Ip), &mut device, Instant::ZERO);
    let address = IpAddress::v4(127, 0, 0, 1);
    iface.update_ip_addrs(|own| own.push(IpCidr::new(address, 8)).unwrap());
    let mut sockets = SocketSet::new(vec![]);
    let server = sockets.add(new_socket());
    let mut first = vec![];
    for (port, again) in [(50_001, false), (50_002, false), (50_003, true)] {
        let mut ms = i64::from(port) * 100_000;
        let socket = sockets.get_mut::<Socket>(server);
        if again {
            socket.set_congestion_control(CongestionControl::Reno);
        }
        socket.listen(7).unwrap();
        let mut client = new_socket();
        client.connect(iface.context(), (address, 7), port).unwrap();
        let client = sockets.add(client);
        for _ in 0..100 {
            iface.poll(Instant::from_millis(ms), &mut device, &mut sockets);
            ms += 1;
        }
        let socket = sockets.get_mut::<Socket>(server);
        assert_eq!(socket.state(), State::Established);
        socket.send_slice(&[0; 20_000]).unwrap();
        // What is sent before anything is acknowledged.
        iface.poll_egress(Instant::from_millis(ms), &mut device, &mut sockets);
        iface.poll_ingress_single(Instant::from_millis(ms), &mut device, &mut sockets);
        first.push(sockets.get_mut::<Socket>(client).recv_queue());
        // The rest is read and acknowledged as it comes, and the window grows.
        for _ in 0..1000 {
            iface.poll(Instant::from_millis(ms), &mut device, &mut sockets);
            sockets.get_mut::<Socket>(client).recv(|data| (data.len(), ())).ok();
            ms += 1;
        }
        sockets.get_mut::<Socket>(server).abort();
        iface.poll(Instant::from_millis(ms), &mut device, &mut sockets);
        sockets.remove(client);
    }
    println!("bytes sent before the first acknowledgement, on a new socket: {}", first[0]);
    println!("on the same, the second connection: {}", first[1]);
    println!("the third, after set_congestion_control: {}", first[2]);
    std::process::exit(i32::from(!(first[1] > first[0] && first[2] == first[0])));
}
END
echo "smoltcp 0.14.0, Reno"
cargo run --quiet
