#!/bin/sh
# A TAP device that outlives its programs keeps the offload that one of them asked for: the next program,
# which knows nothing of it, reads datagrams whose checksum nobody has filled in. Needs /dev/net/tun,
# python3 and iproute2; works in a network namespace of its own.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
cat > tap.py <<'END'
import fcntl, os, platform, select, socket, struct, subprocess

TUNSETIFF, TUNSETOFFLOAD = 0x400454CA, 0x400454D0
IFF_TAP, IFF_NO_PI, IFF_VNET_HDR = 0x0002, 0x1000, 0x4000
TUN_F_CSUM = 1

def ip(command):
    subprocess.check_call(["ip", *command.split()])

def attach(flags):
    tun = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(tun, TUNSETIFF, struct.pack("16sH22x", b"tap0", IFF_TAP | IFF_NO_PI | flags))
    return tun

def program_with_offload():
    tun = attach(IFF_VNET_HDR)
    fcntl.ioctl(tun, TUNSETOFFLOAD, TUN_F_CSUM)
    os.close(tun)

def plain_program():
    """Reads a datagram of the kernel, and says whether its checksum is right."""
    tun = attach(0)
    ip("neigh replace 10.0.0.1 lladdr 02:00:00:00:00:01 dev tap0")
    sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    frame = b""
    while not frame.endswith(b"hello!"):
        sender.sendto(b"hello!", ("10.0.0.1", 9))
        if select.select([tun], [], [], 0.1)[0]:
            frame = os.read(tun, 70_000)
    os.close(tun)
    addresses, datagram = frame[26:34], frame[34:]
    covered = addresses + struct.pack(">HH", 17, len(datagram)) + datagram
    total = sum(struct.unpack(f">{len(covered) // 2}H", covered))
    return (total & 0xFFFF) + (total >> 16) == 0xFFFF

print("Linux", platform.release())
ip("tuntap add dev tap0 mode tap")
ip("addr add 10.0.0.2/24 dev tap0")
ip("link set tap0 up")
before = plain_program()
program_with_offload()
after = plain_program()
print("a plain program reads a datagram; its checksum is right:", before)
print("the same after a program with offload has ended:", after)
raise SystemExit(0 if before and not after else 1)
END
[ "$(id -u)" = 0 ] && user= || user=--map-root-user
unshare --net $user python3 tap.py
