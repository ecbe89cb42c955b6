#!/bin/sh
# smoltcp's FaultInjector never corrupts a frame that is sent, whatever chance it is given: it changes
# a byte of the empty buffer, which the stack fills afterwards. Frames that are received are corrupted.
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
use smoltcp::phy::{Device, FaultInjector, Loopback, Medium, RxToken, TxToken};
use smoltcp::time::Instant;

const FRAMES: usize = 1000;

/// Sends frames of 100 equal bytes.
fn send(device: &mut impl Device) {
    for _ in 0..FRAMES {
        let token = device.transmit(Instant::ZERO).unwrap();
        token.consume(100, |frame| frame.fill(0x55));
    }
}

/// Counts the frames that arrive with another byte.
fn changed(device: &mut impl Device) -> usize {
    let mut changed = 0;
    for _ in 0..FRAMES {
        let (token, _) = device.receive(Instant::ZERO).unwrap();
        changed += token.consume(|frame| usize::from(frame.iter().any(|&byte| byte != 0x55)));
    }
    changed
}

fn main() {
    let mut faulty = FaultInjector::new(Loopback::new(Medium::Ip), 1);
    faulty.set_corrupt_chance(100);
    send(&mut faulty);
    let sent = changed(&mut faulty.into_inner());

    let mut loopback = Loopback::new(Medium::Ip);
    send(&mut loopback);
    let mut faulty = FaultInjector::new(loopback, 1);
    faulty.set_corrupt_chance(100);
    let received = changed(&mut faulty);

    println!("of {FRAMES} frames, with set_corrupt_chance(100):");
    println!("sent through the injector: {sent} arrived changed");
    println!("received through it: {received} arrived changed");
    std::process::exit(i32::from(!(sent == 0 && received > FRAMES / 2)));
}
END
echo "smoltcp 0.14.0"
cargo run --quiet
