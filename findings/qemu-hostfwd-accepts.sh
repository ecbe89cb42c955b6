#!/bin/sh
# QEMU's user network: a forwarded port accepts connections, and takes their data, while the guest
# answers nothing at all: the ARP requests for it are lost. An open port so is no sign that the guest
# listens; the client hears of it after 75 s, by an RST.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
apt-get -qq download 'qemu-system-arm=1:7.2*' 'qemu-system-common=1:7.2*' libaio1 libbpf1 libcapstone4 \
    libdaxctl1 libelf1 libfdt1 libffi8 libglib2.0-0 libgmp10 libgnutls30 libhogweed6 libibverbs1 libidn2-0 \
    libjpeg62-turbo libkmod2 libndctl6 libnettle8 libnl-3-200 libnl-route-3-200 libnuma1 libp11-kit0 \
    libpixman-1-0 libpmem1 libpng16-16 librdmacm1 libsasl2-2 libseccomp2 libslirp0 libtasn1-6 libunistring2 \
    liburing2 libvdeplug2 2> log || { cat log; exit 1; }
for package in *.deb; do
    dpkg -x "$package" .
done
export LD_LIBRARY_PATH="$(echo "$folder"/usr/lib/*-linux-gnu):$(echo "$folder"/lib/*-linux-gnu)"
./usr/bin/qemu-system-arm --version | head -n 1
# A guest that does nothing: the stack, the entry, and at the entry a branch to itself.
printf '\000\020\000\040\011\000\000\000\376\347' > guest.bin
cat > finding.py <<'END'
import socket, subprocess, time

def connect(port):
    """Connects as soon as QEMU listens."""
    for _ in range(100):
        try:
            return socket.create_connection(("127.0.0.1", port))
        except ConnectionRefusedError:
            time.sleep(0.1)

with socket.create_server(("127.0.0.1", 0)) as free:
    port = free.getsockname()[1]
qemu = subprocess.Popen(
    ["./usr/bin/qemu-system-arm", "-M", "lm3s6965evb", "-kernel", "guest.bin", "-display", "none",
     "-serial", "null", "-monitor", "none",
     "-nic", f"user,model=stellaris,hostfwd=tcp:127.0.0.1:{port}-:7"], stderr=subprocess.DEVNULL)
try:
    client = connect(port)
    begin = time.monotonic()
    client.sendall(b"hello\n")
    print("the port is open, and takes a line")
    client.settimeout(5)
    try:
        print("in 5 s the client reads", client.recv(10))
        silent = False
    except TimeoutError:
        print("in 5 s nothing comes back, and the connection stays")
        silent = True
    client.settimeout(200)
    try:
        client.recv(10)
        reset = False
    except ConnectionResetError:
        reset = True
    print(f"after {time.monotonic() - begin:.0f} s it ends; by an RST: {reset}")
finally:
    qemu.kill()
raise SystemExit(0 if silent and reset else 1)
END
python3 finding.py
