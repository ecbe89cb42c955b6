#!/bin/sh
# smoltcp: abort() followed by listen() sends no RST, since listen() forgets the peer at once. The peer
# stays established with nobody. With a poll between the two, the RST leaves.
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

/// Returns the state of the client ten seconds after the server has aborted the connection.
fn client_after_abort(poll_between: bool) -> State {
    let mut device = Loopback::new(Medium::Ip);
    let mut iface = Interface::new(Config::new(HardwareAddress::Ip), &mut device, Instant::ZERO);
    let address = IpAddress::v4(127, 0, 0, 1);
    iface.update_ip_addrs(|own| own.push(IpCidr::new(address, 8)).unwrap());
    let mut sockets = SocketSet::new(vec![]);
    let [server, client] = [(); 2].map(|()| {
        let [receive, send] = [(); 2].map(|()| SocketBuffer::new(vec![0; 1000]));
        sockets.add(Socket::new(receive, send))
    });
    sockets.get_mut::<Socket>(server).listen(7).unwrap();
    let socket = sockets.get_mut::<Socket>(client);
    socket.connect(iface.context(), (address, 7), 50_000).unwrap();
    for ms in 0..100 {
        iface.poll(Instant::from_millis(ms), &mut device, &mut sockets);
    }
    assert_eq!(sockets.get_mut::<Socket>(client).state(), State::Established);

    sockets.get_mut::<Socket>(server).abort();
    if poll_between {
        iface.poll(Instant::from_millis(100), &mut device, &mut sockets);
    }
    sockets.get_mut::<Socket>(server).listen(7).unwrap();
    for ms in 101..10_000 {
        iface.poll(Instant::from_millis(ms), &mut device, &mut sockets);
    }
    sockets.get_mut::<Socket>(client).state()
}

fn main() {
    let [at_once, with_poll] = [false, true].map(client_after_abort);
    println!("the client 10 s after abort(), listen():       {at_once}");
    println!("the client 10 s after abort(), poll, listen(): {with_poll}");
    let is_so = at_once == State::Established && with_poll == State::Closed;
    std::process::exit(i32::from(!is_so));
}
END
echo "smoltcp 0.14.0"
cargo run --quiet
