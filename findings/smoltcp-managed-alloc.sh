#!/bin/sh
# smoltcp without its feature `alloc` compiles alone, and no longer when any other package of the same
# build turns on `alloc` of `managed`: a firmware's workspace breaks by a crate that has nothing to do
# with it.
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
smoltcp = { version = "=0.14.0", default-features = false, features = ["medium-ip", "proto-ipv4", "socket-tcp"] }
$1
END
    cargo check --quiet 2> log && echo "compiles" || echo "does not compile: $(grep -m1 '^error' log)"
}
echo "smoltcp 0.14.0, managed 0.8.0"
alone=$(try '')
beside=$(try 'managed = { version = "=0.8.0", default-features = false, features = ["alloc"] }')
echo "alone: $alone"
echo "beside managed with alloc: $beside"
case "$alone/$beside" in
    "compiles/does not compile: error[E0004]"*) exit 0 ;;
    *) exit 1 ;;
esac
