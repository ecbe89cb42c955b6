#!/bin/sh
# edge-nal-std: `abort` promises a reset and does nothing, and the drop that it leaves the matter to
# closes in order: the peer reads a clean end.
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
edge-nal = "=0.7.0"
edge-nal-std = "=0.7.0"
futures-lite = "=2.6.1"
END
cat > src/main.rs <<'END'
use edge_nal::{TcpAccept, TcpBind, TcpShutdown};
use std::io::Read;
use std::net::{SocketAddr, TcpListener, TcpStream};

fn main() {
    // A port that is free now.
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let read = futures_lite::future::block_on(async {
        let stack = edge_nal_std::Stack::new();
        let acceptor = stack.bind(SocketAddr::from(([127, 0, 0, 1], address.port()))).await.unwrap();
        let mut peer = TcpStream::connect(address).unwrap();
        let (_, mut socket) = acceptor.accept().await.unwrap();
        socket.abort().await.unwrap();
        drop(socket);
        peer.read(&mut [0; 8])
    });
    println!("abort, drop: the peer reads {read:?}; after a reset it would be an error");
    std::process::exit(i32::from(!matches!(read, Ok(0))));
}
END
echo "edge-nal-std 0.7.0"
cargo run --quiet
