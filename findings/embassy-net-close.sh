#!/bin/sh
# embassy-net: `close` only queues the FIN, and a dropped socket sends nothing more. So close, drop
# loses all that was written; flush, close, drop loses the FIN; only close, flush, drop does it all.
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
embassy-futures = "=0.1.2"
embassy-net = { version = "=0.9.1", features = ["medium-ip", "proto-ipv4", "tcp"] }
embassy-net-driver-channel = "=0.4.0"
embassy-time = { version = "=0.5.1", features = ["generic-queue-8", "std"] }
END
cat > src/main.rs <<'END'
use embassy_futures::{block_on, join::{join, join4}, select::select};
use embassy_net::{Config, Ipv4Address, Ipv4Cidr, StackResources, StaticConfigV4, tcp::TcpSocket};
use embassy_net_driver_channel::{RxRunner, State, TxRunner, driver::{HardwareAddress, LinkState}, new};
use embassy_time::{Duration, with_timeout};

async fn carry(mut from: TxRunner<'_, 1514>, mut to: RxRunner<'_, 1514>) {
    loop {
        let packet = from.tx_buf().await.to_vec();
        to.rx_buf().await[..packet.len()].copy_from_slice(&packet);
        (to.rx_done(packet.len()), from.tx_done());
    }
}

async fn after(ending: &str) -> String {
    let (mut one, mut two) = (State::<1514, 8, 8>::new(), State::<1514, 8, 8>::new());
    let (a, driver_a) = new(&mut one, HardwareAddress::Ip);
    let (b, driver_b) = new(&mut two, HardwareAddress::Ip);
    let ((up_a, rx_a, tx_a), (up_b, rx_b, tx_b)) = (a.split(), b.split());
    (up_a.set_link_state(LinkState::Up), up_b.set_link_state(LinkState::Up));
    let address = |last| Ipv4Address::new(10, 0, 0, last);
    let config = |last| Config::ipv4_static(StaticConfigV4 {
        address: Ipv4Cidr::new(address(last), 24), gateway: None, dns_servers: Default::default(),
    });
    let (mut left, mut right) = (StackResources::<2>::new(), StackResources::<2>::new());
    let (stack_a, mut run_a) = embassy_net::new(driver_a, config(1), &mut left, 1);
    let (stack_b, mut run_b) = embassy_net::new(driver_b, config(2), &mut right, 2);
    let (mut seen, mut buffers) = (String::new(), [[0; 256]; 4]);
    let [r1, t1, r2, t2] = &mut buffers;
    let (mut server, mut client) = (TcpSocket::new(stack_a, r1, t1), TcpSocket::new(stack_b, r2, t2));
    let talking = async {
        let (accepted, connected) = join(server.accept(7), client.connect((address(1), 7))).await;
        (accepted.unwrap(), connected.unwrap());
        server.write(b"hello").await.unwrap();
        for call in ending.split(", ") {
            match call { "close" => server.close(), "flush" => server.flush().await.unwrap(), _ => {} }
        }
        drop(server);
        let mut buffer = [0; 16];
        loop {
            match with_timeout(Duration::from_secs(2), client.read(&mut buffer)).await {
                Ok(Ok(0)) => return seen += "FIN",
                Ok(Ok(n)) => seen += &format!("{:?}, ", std::str::from_utf8(&buffer[..n]).unwrap()),
                Ok(Err(error)) => return seen += &format!("{error:?}"),
                Err(_) => return seen += "nothing for 2 s",
            }
        }
    };
    select(join4(run_a.run(), run_b.run(), carry(tx_a, rx_b), carry(tx_b, rx_a)), talking).await;
    println!("write \"hello\", {ending}: the peer sees {seen}");
    seen
}

fn main() {
    let seen = ["close, drop", "flush, close, drop", "close, flush, drop"].map(|it| block_on(after(it)));
    let lost = !seen[0].contains("hello") && !seen[1].contains("FIN");
    std::process::exit(i32::from(!(lost && seen[2] == "\"hello\", FIN")));
}
END
echo "embassy-net 0.9.1"
cargo run --quiet
