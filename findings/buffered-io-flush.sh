#!/bin/sh
# buffered-io: a flush that is dropped while it waits, as select and timeouts do, forgets how much it
# has sent: the next flush sends those bytes again.
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
buffered-io = "=0.6.0"
embedded-io-adapters = { version = "=0.7.0", features = ["tokio-1"] }
embedded-io-async = "=0.7.0"
tokio = { version = "=1.54.1", features = ["io-util", "macros", "rt", "time"] }
END
cat > src/main.rs <<'END'
use buffered_io::asynch::BufferedWrite;
use embedded_io_adapters::tokio_1::FromTokio;
use embedded_io_async::Write;
use tokio::io::AsyncReadExt;
use std::time::Duration;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    // A transport of 4 bytes, so that the flush of 8 has to wait in the middle.
    let (ours, mut theirs) = tokio::io::duplex(4);
    let mut buffer = [0; 16];
    let mut writer = BufferedWrite::new(FromTokio::new(ours), &mut buffer);
    writer.write_all(b"abcdefgh").await.unwrap();
    let dropped = tokio::time::timeout(Duration::from_millis(100), writer.flush()).await.is_err();
    println!("write \"abcdefgh\", flush into a transport of 4 bytes, dropped while it waits: {dropped}");
    let mut got = String::new();
    let ended = async move {
        writer.flush().await.unwrap();
        drop(writer);
    };
    let (_, read) = tokio::join!(ended, theirs.read_to_string(&mut got));
    read.unwrap();
    println!("flush again: the peer gets {got:?}");
    std::process::exit(i32::from(!(dropped && got == "abcdabcdefgh")));
}
END
echo "buffered-io 0.6.0"
cargo run --quiet
