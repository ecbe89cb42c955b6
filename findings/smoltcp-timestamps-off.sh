#!/bin/sh
# smoltcp: one peer without TCP timestamps turns them off for all later connections of a socket. It
# drops the generator that set_tsval_generator was given, and listen() does not bring it back.
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
smoltcp = { version = "=0.14.0", default-features = false, features = ["std", "medium-ip", "proto-ipv4", "socket-tcp"] }
END
cat > src/main.rs <<'END'
use smoltcp::iface::{Config, Interface, SocketSet};
use smoltcp::phy::{Loopback, Medium};
use smoltcp::socket::tcp::{Socket, SocketBuffer, State};
use smoltcp::time::Instant;
use smoltcp::wire::{HardwareAddress, IpAddress, IpCidr};

fn main() {
    let mut device = Loopback::new(Medium::Ip);
    let mut iface = Interface::new(Config::new(HardwareAddress::Ip), &mut device, Instant::ZERO);
    let address = IpAddress::v4(127, 0, 0, 1);
    iface.update_ip_addrs(|own| own.push(IpCidr::new(address, 8)).unwrap());
    let mut sockets = SocketSet::new(vec![]);
    let server = [(); 2].map(|()| SocketBuffer::new(vec![0; 1000]));
    let [receive, send] = server;
    let server = sockets.add(Socket::new(receive, send));
    sockets.get_mut::<Socket>(server).set_tsval_generator(Some(|| 1));

    let mut enabled = vec![];
    for (port, with_timestamps) in [(50_001, true), (50_002, false), (50_003, true)] {
        sockets.get_mut::<Socket>(server).listen(7).unwrap();
        let [receive, send] = [(); 2].map(|()| SocketBuffer::new(vec![0; 1000]));
        let mut client = Socket::new(receive, send);
        client.set_tsval_generator(if with_timestamps { Some(|| 1) } else { None });
        client.connect(iface.context(), (address, 7), port).unwrap();
        let client = sockets.add(client);
        for _ in 0..20 {
            iface.poll(Instant::ZERO, &mut device, &mut sockets);
        }
        let socket = sockets.get_mut::<Socket>(server);
        assert_eq!(socket.state(), State::Established);
        println!("a client with timestamps: {with_timestamps}; the server has them: {}", socket.timestamp_enabled());
        enabled.push(socket.timestamp_enabled());
        socket.abort();
        iface.poll(Instant::ZERO, &mut device, &mut sockets);
        sockets.remove(client);
    }
    std::process::exit(i32::from(enabled != [true, false, false]));
}
END
echo "smoltcp 0.14.0, one socket that listens three times"
cargo run --quiet
