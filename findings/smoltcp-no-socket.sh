#!/bin/sh
# smoltcp with a medium and a protocol, but without any kind of socket, does not compile: a crate that
# only implements its `Device` has to turn on a socket that it does not need.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
mkdir src
: > src/lib.rs
try() {
    cat > Cargo.toml <<END
[package]
name = "finding"
edition = "2024"
[dependencies]
smoltcp = { version = "=0.14.0", default-features = false, features = ["medium-ethernet", "proto-ipv4"$1] }
END
    cargo check --quiet 2> log && echo "compiles" || echo "does not compile: $(grep -m1 '^error\[E0004' log)"
}
echo "smoltcp 0.14.0"
without=$(try '')
with=$(try ', "socket-raw"')
echo "without a socket: $without"
echo "with socket-raw: $with"
case "$without/$with" in
    "does not compile: error[E0004]"*/compiles) exit 0 ;;
    *) exit 1 ;;
esac
