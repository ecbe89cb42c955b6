#!/bin/sh
# embassy-net: on a connection that the peer has reset, write_ready is false for ever, although a write
# returns its error at once: who waits for it to be true never hears of the end. read_ready is true.
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
embedded-io-async = "=0.7.0"
END
cat > src/main.rs <<'END'
use embassy_futures::{block_on, join::{join, join4}, select::select};
use embassy_net::{Config, Ipv4Address, Ipv4Cidr, StackResources, StaticConfigV4, tcp::TcpSocket};
use embassy_net_driver_channel::{RxRunner, State, TxRunner, driver::{HardwareAddress, LinkState}, new};
use embassy_time::Timer;
use embedded_io_async::{ReadReady, WriteReady};

async fn carry(mut from: TxRunner<'_, 1514>, mut to: RxRunner<'_, 1514>) {
    loop {
        let packet = from.tx_buf().await.to_vec();
        to.rx_buf().await[..packet.len()].copy_from_slice(&packet);
        (to.rx_done(packet.len()), from.tx_done());
    }
}

async fn run() -> bool {
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
    let mut buffers = [[0; 256]; 4];
    let [r1, t1, r2, t2] = &mut buffers;
    let (mut server, mut client) = (TcpSocket::new(stack_a, r1, t1), TcpSocket::new(stack_b, r2, t2));
    let mut is_so = false;
    let talking = async {
        let (accepted, connected) = join(server.accept(7), client.connect((address(1), 7))).await;
        (accepted.unwrap(), connected.unwrap());
        let before = server.write_ready();
        client.abort();
        client.flush().await.ok();
        Timer::after_millis(500).await;
        let (readable, writable) = (server.read_ready(), server.write_ready());
        let written = server.write(b"hello").await;
        println!("established: write_ready() is {before:?}");
        println!("reset: read_ready() is {readable:?}, write_ready() {writable:?}, write() {written:?}");
        is_so = (before, readable, writable) == (Ok(true), Ok(true), Ok(false)) && written.is_err();
    };
    select(join4(run_a.run(), run_b.run(), carry(tx_a, rx_b), carry(tx_b, rx_a)), talking).await;
    is_so
}

fn main() {
    std::process::exit(i32::from(!block_on(run())));
}
END
echo "embassy-net 0.9.1"
cargo run --quiet
