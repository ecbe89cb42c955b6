#!/bin/sh
# heapless: a write into a Vec through embedded-io takes all or nothing. With room for three of four
# bytes it is an error and none is kept, where std and embedded-io's own slices take three and say so.
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
embedded-io = "=0.7.1"
heapless = { version = "=0.9.3", features = ["embedded-io-v0.7"] }
END
cat > src/main.rs <<'END'
use embedded_io::Write;
use heapless::Vec;

fn main() {
    let mut vec = Vec::<u8, 3>::new();
    let in_vec = Write::write(&mut vec, b"four");
    println!("heapless::Vec of 3 bytes: write(b\"four\") is {in_vec:?}, and it holds {:?}", vec.as_slice());
    let mut bytes = [0; 3];
    let mut slice = &mut bytes[..];
    let in_slice = Write::write(&mut slice, b"four");
    println!("&mut [u8] of 3 bytes: write(b\"four\") is {in_slice:?}, and it holds {bytes:?}");
    let is_so = in_vec.is_err() && vec.is_empty() && in_slice == Ok(3) && &bytes == b"fou";
    std::process::exit(i32::from(!is_so));
}
END
echo "heapless 0.9.3, embedded-io 0.7.1"
cargo run --quiet
