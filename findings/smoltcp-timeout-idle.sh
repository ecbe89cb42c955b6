#!/bin/sh
# smoltcp: a TCP socket with a timeout resets a healthy connection on which nobody has anything to say.
# The documentation of set_timeout names three cases, all with data or probes on their way.
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
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{HardwareAddress, IpAddress, IpCidr};

fn main() {
    let mut device = Loopback::new(Medium::Ip);
    let mut iface = Interface::new(Config::new(HardwareAddress::Ip), &mut device, Instant::ZERO);
    let address = IpAddress::v4(127, 0, 0, 1);
    iface.update_ip_addrs(|own| own.push(IpCidr::new(address, 8)).unwrap());
    let mut sockets = SocketSet::new(vec![]);
    let [server, client] = [(); 2].map(|()| {
        let [receive, send] = [(); 2].map(|()| SocketBuffer::new(vec![0; 1000]));
        sockets.add(Socket::new(receive, send))
    });
    let socket = sockets.get_mut::<Socket>(server);
    socket.set_timeout(Some(Duration::from_secs(5)));
    socket.listen(7).unwrap();
    let socket = sockets.get_mut::<Socket>(client);
    socket.connect(iface.context(), (address, 7), 50_000).unwrap();

    let (mut greeted, mut echoed, mut silent_since, mut ended) = (false, false, 0, None);
    for ms in 0..20_000 {
        iface.poll(Instant::from_millis(ms), &mut device, &mut sockets);
        let socket = sockets.get_mut::<Socket>(client);
        if socket.may_send() && !greeted {
            greeted = socket.send_slice(b"hello\n").is_ok();
        }
        let socket = sockets.get_mut::<Socket>(server);
        let mut line = [0; 6];
        if socket.recv_slice(&mut line) == Ok(6) {
            echoed = socket.send_slice(&line).is_ok();
        }
        if sockets.get_mut::<Socket>(client).recv_slice(&mut line) == Ok(6) {
            silent_since = ms;
        }
        if silent_since > 0 && ended.is_none() {
            let states = [server, client].map(|it| sockets.get_mut::<Socket>(it).state());
            ended = (states == [State::Closed; 2]).then_some(ms - silent_since);
        }
    }
    println!("a line was echoed: {echoed}, and acknowledged; set_timeout is 5 s, without keep-alive");
    println!("milliseconds of silence, after which both ends are closed: {ended:?}");
    std::process::exit(i32::from(!ended.is_some_and(|ms| (4000..6000).contains(&ms))));
}
END
echo "smoltcp 0.14.0"
cargo run --quiet
