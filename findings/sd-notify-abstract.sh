#!/bin/sh
# sd-notify: of a socket address that begins with `@`, an abstract name (sd_notify(3)), it makes the
# path of a file, so that the service manager is never told.
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
sd-notify = "=0.5.0"
END
cat > src/main.rs <<'END'
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::process::Command;

fn main() {
    if std::env::var_os("NOTIFY_SOCKET").is_some() {
        let told = sd_notify::notify(&[sd_notify::NotifyState::Ready]);
        println!("the service: notify returns {told:?}");
        return;
    }
    let name = format!("finding-{}", std::process::id());
    let address = SocketAddr::from_abstract_name(&name).unwrap();
    let manager = UnixDatagram::bind_addr(&address).unwrap();
    manager.set_nonblocking(true).unwrap();
    let mut service = Command::new(std::env::current_exe().unwrap());
    service.env("NOTIFY_SOCKET", format!("@{name}")).status().unwrap();
    let received = manager.recv(&mut [0; 64]);
    println!("the manager at @{name}: {received:?}; READY=1 would be 7 bytes or 8");
    std::process::exit(i32::from(received.is_ok()));
}
END
echo "sd-notify 0.5.0"
cargo run --quiet
