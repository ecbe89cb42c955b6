"""24 hosts on a bridge with the TAP device of `echo-tap --netns`: one raw socket plays them all."""

import select
import socket
import struct
import subprocess
import sys
import time

SERVER = socket.inet_aton("192.168.69.1")
PORT = 18080
HOSTS = 24
ROUNDS = 100
EVERY = 0.02  # seconds between two lines of a host
LIMIT = 60  # seconds that any one step may take
FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16


def checksum(data):
    total = sum(struct.unpack(f"!{(len(data) + 1) // 2}H", data + b"\0" * (len(data) % 2)))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


class Host:
    """A host with one connection, on a link that loses nothing."""

    def __init__(self, wire, number):
        self.wire, self.seq, self.ack = wire, 1000, 0
        self.mac = bytes([2, 0, 0, 1, 0, number])
        self.address = socket.inet_aton(f"192.168.69.{number}")
        self.is_open, self.back, self.sent_at, self.slowest = False, b"", 0.0, 0.0

    def frame(self, to, ethertype, payload):
        self.wire.send(to + self.mac + struct.pack("!H", ethertype) + payload)

    def arp(self, operation, to, target_mac, target):
        head = struct.pack("!HHBBH", 1, 0x0800, 6, 4, operation)
        self.frame(to, 0x0806, head + self.mac + self.address + target_mac + target)

    def segment(self, flags, data=b""):
        tcp = struct.pack("!HHIIBBHHH", 40000, PORT, self.seq, self.ack, 5 << 4, flags, 60000, 0, 0)
        pseudo = self.address + SERVER + struct.pack("!HH", 6, len(tcp + data))
        tcp = tcp[:16] + struct.pack("!H", checksum(pseudo + tcp + data)) + tcp[18:]
        ip = struct.pack("!BBHHHBBH", 0x45, 0, 40 + len(data), 0, 0, 64, 6, 0)
        ip += self.address + SERVER
        ip = ip[:10] + struct.pack("!H", checksum(ip)) + ip[12:]
        self.frame(server_mac, 0x0800, ip + tcp + data)
        self.seq += len(data) + (flags & SYN != 0)

    def line(self):
        self.sent_at, self.back = time.monotonic(), b""
        self.segment(ACK | PSH, b"line\n")

    def take(self, flags, seq, data):
        assert not flags & (RST | FIN), "the connection was ended"
        if flags & SYN:
            self.ack = seq + 1
            self.is_open = True
            self.segment(ACK)
        elif data and seq == self.ack:
            self.back += data
            self.ack += len(data)
            self.segment(ACK)
            if self.back == b"line\n":
                self.slowest = max(self.slowest, time.monotonic() - self.sent_at)


def turn(wire, hosts, seconds):
    """Takes in what arrives within this time, and answers for the hosts."""
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        if not select.select([wire], [], [], left)[0]:
            return
        frame = wire.recv(2048)
        ethertype, packet = frame[12:14], frame[14:]
        if ethertype == b"\x08\x06" and packet[7] == 1 and packet[24:28] in hosts:
            hosts[packet[24:28]].arp(2, packet[8:14], packet[8:14], packet[14:18])
        elif ethertype == b"\x08\x00" and packet[9] == 6 and packet[12:16] == SERVER:
            host = hosts.get(packet[16:20])
            tcp = packet[20 : int.from_bytes(packet[2:4], "big")]
            if host and tcp[:4] == struct.pack("!HH", PORT, 40000):
                host.take(tcp[13], int.from_bytes(tcp[4:8], "big"), tcp[(tcp[12] >> 4) * 4 :])


def wait(wire, hosts, what, done):
    until = time.monotonic() + LIMIT
    while not done():
        assert time.monotonic() < until, f"not within {LIMIT} s: {what}"
        turn(wire, hosts, 0.005)


def strangers(wire, hosts, number):
    """Half-open connections from three addresses that nobody has: no ARP request is answered."""
    for offset in range(3):
        Host(wire, number + offset).segment(SYN)


def play(wire):
    hosts = {}
    for number in range(10, 10 + HOSTS):
        host = Host(wire, number)
        hosts[host.address] = host
        # The bridge learns where it is, and the server, too.
        host.arp(1, b"\xff" * 6, b"\0" * 6, SERVER)
        host.segment(SYN)
    everybody = list(hosts.values())
    wait(wire, hosts, "connections", lambda: all(host.is_open for host in everybody))
    for count in range(ROUNDS):
        if count % 20 == 0:
            strangers(wire, hosts, 100 + count)
        begin = time.monotonic()
        for host in everybody:
            host.line()
        wait(wire, hosts, "echoes", lambda: all(host.back == b"line\n" for host in everybody))
        turn(wire, hosts, max(0, begin + EVERY - time.monotonic()))
    slowest = max(host.slowest for host in everybody)
    strangers(wire, hosts, 220)
    newcomer = Host(wire, 9)
    hosts[newcomer.address] = newcomer
    begin = time.monotonic()
    newcomer.segment(SYN)
    wait(wire, hosts, "a connection", lambda: newcomer.is_open)
    newcomer.line()
    wait(wire, hosts, "an echo", lambda: newcomer.back == b"line\n")
    served = time.monotonic() - begin
    print(f"slowest line {slowest:.3f} s, newcomer served after {served:.3f} s", file=sys.stderr)
    # Ten times what it should be, since the machine may be busy. It was 22 s and more than 18 s.
    assert slowest < 2 and served < 15, "hosts starve each other"


def ask_for_server(asking):
    """The server's hardware address, by ARP from a host."""
    until = time.monotonic() + LIMIT
    while time.monotonic() < until:
        asking.arp(1, b"\xff" * 6, b"\0" * 6, SERVER)
        if select.select([asking.wire], [], [], 0.1)[0]:
            frame = asking.wire.recv(2048)
            if frame[12:14] == b"\x08\x06" and frame[21] == 2 and frame[28:32] == SERVER:
                return frame[22:28]
    raise TimeoutError("no answer to ARP")


def open_wire(interface):
    wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    wire.bind((interface, 0))
    return wire


if __name__ == "__main__":
    for command in (
        "link add br0 type bridge",
        "link add hosts type veth peer name port",
        "link set port master br0",
        f"link set {sys.argv[1]} master br0",
        "link set br0 up",
        "link set port up",
        "link set hosts up",
    ):
        subprocess.run(["ip", *command.split()], check=True)
    wire = open_wire("hosts")
    server_mac = ask_for_server(Host(wire, 10))
    play(wire)
