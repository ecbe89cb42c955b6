"""Clients of the kernel's TCP, run in the namespace of `echo-tap --netns`: peer.py TEST [NUMBER]."""

import random
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

SERVER = ("192.168.69.1", 18080)
SERVER_V6 = ("fdaa::1", 18080)
LIMIT = 240  # seconds that any one step may take


def connect(server=SERVER):
    return socket.create_connection(server, timeout=LIMIT)


def lines(size, seed):
    """About `size` bytes of lines of all lengths up to 200."""
    generator = random.Random(seed)
    text = bytearray()
    while len(text) < size:
        text += generator.randbytes(generator.randrange(200)).replace(b"\n", b"\r") + b"\n"
    return bytes(text)


def stream(text, peer):
    """Sends all of `text` and the end of input, and gives back what comes until the peer closes."""
    sender = threading.Thread(target=lambda: (peer.sendall(text), peer.shutdown(socket.SHUT_WR)))
    sender.start()
    back = bytearray()
    while chunk := peer.recv(1 << 16):
        back += chunk
    sender.join(LIMIT)
    return bytes(back)


def exact(text, peer):
    back = stream(text, peer)
    assert back == text, f"sent {len(text)} bytes, got {len(back)} back, not the same"


def at_once(count, size):
    """`count` clients at once, each of which streams about `size` bytes."""
    failures = []

    def client(seed):
        try:
            with connect() as peer:
                exact(lines(size, seed), peer)
        except Exception as error:
            failures.append(f"client {seed}: {error!r}")

    clients = [threading.Thread(target=client, args=(seed,)) for seed in range(count)]
    for thread in clients:
        thread.start()
    for thread in clients:
        thread.join()
    assert not failures, failures


def run(*command):
    subprocess.run(command, check=True, timeout=LIMIT, stdout=subprocess.DEVNULL)


def round_trip(peer, line):
    peer.sendall(line)
    back = b""
    while len(back) < len(line):
        chunk = peer.recv(len(line) - len(back))
        assert chunk, f"closed after {back!r} of {line!r}"
        back += chunk
    assert back == line


def answers():
    run("ping", "-c", "3", "-i", "0.2", "-W", "5", SERVER[0])
    run("ping", "-6", "-c", "1", "-W", "5", "fdaa::1")
    nc = ["nc", "-N", "-w", "10", SERVER[0], str(SERVER[1])]
    done = subprocess.run(nc, input=b"x\ny", stdout=subprocess.PIPE, timeout=LIMIT, check=True)
    assert done.stdout == b"x\ny", done.stdout


def streams(size):
    at_once(16, size)


def streams_with_loss(size):
    """One in twenty packets is dropped, each way."""
    drop = ["-m", "statistic", "--mode", "random", "--probability", "0.05", "-j", "DROP"]
    for chain in ["INPUT", "OUTPUT"]:
        run("iptables", "-A", chain, *drop)
    at_once(16, size)


def reads_late(count):
    """`count` clients that send until nothing more goes, and read only then: all windows were closed."""
    text = lines(4_000_000, 1)

    def client(number):
        own = text[number:]
        with connect() as peer:
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 16)
            sent = 0
            while select.select([], [peer], [], 0.5)[1]:
                # Less than a segment now and then, so that windows end anywhere.
                sent += peer.send(own[sent : sent + 1 + sent % 5000])
            assert sent < len(own), "it never had enough"
            back = stream(own[sent:], peer)
            assert back == own, f"sent {len(own)} bytes, got {len(back)} back, not the same"

    with ThreadPoolExecutor(count) as pool:
        list(pool.map(client, range(count)))


class Endless:
    """Streams until it is told that it is enough, and checks what comes back."""

    def __init__(self, server, pool):
        self.peer = connect(server)
        self.text = lines(1_000_000, 1)
        self.sent = self.received = 0
        self.is_enough = threading.Event()
        self.threads = [pool.submit(self.send), pool.submit(self.receive)]

    def send(self):
        while not self.is_enough.is_set():
            self.peer.sendall(self.text)
            self.sent += len(self.text)
        self.peer.shutdown(socket.SHUT_WR)

    def receive(self):
        while chunk := self.peer.recv(1 << 16):
            start = self.received % len(self.text)
            expected = (self.text + self.text)[start : start + len(chunk)]
            assert chunk == expected, f"wrong after {self.received} bytes"
            self.received += len(chunk)

    def goes_on(self):
        """Waits until more comes back."""
        before = self.received
        until = time.monotonic() + LIMIT
        while self.received == before:
            assert time.monotonic() < until and not self.threads[1].done(), "nothing comes back"
            time.sleep(0.01)

    def end(self):
        self.is_enough.set()
        for thread in self.threads:
            thread.result(LIMIT)
        self.peer.close()
        assert self.sent == self.received, f"sent {self.sent} bytes, got {self.received} back"


def link_down_and_up():
    """One outage is longer than it takes to send again what got lost."""
    with ThreadPoolExecutor() as pool:
        streams = [Endless(server, pool) for server in [SERVER, SERVER_V6]]
        try:
            for outage in [0.2, 2, 0.2]:
                for stream in streams:
                    stream.goes_on()
                run("ip", "link", "set", "tap0", "down")
                time.sleep(outage)
                run("ip", "link", "set", "tap0", "up")
        finally:
            for stream in streams:
                stream.is_enough.set()
        for stream in streams:
            stream.end()


def slots_come_back(count):
    """Short connections, a tenth as many resets in the middle; then all four slots serve."""
    reset = struct.pack("ii", 1, 0)
    for number in range(count):
        with served() as peer:
            if number % 10 == 0:
                peer.sendall(b"one\ntwo")
                peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset)
    peers = [served() for _ in range(4)]
    for number, peer in enumerate(peers):
        round_trip(peer, b"slot %d\n" % number)


def served():
    """A connection that has a slot: tries again while all of them are busy, which is refused."""
    until = time.monotonic() + 30
    while True:
        try:
            peer = connect()
            round_trip(peer, b"hello\n")
            return peer
        except (ConnectionError, AssertionError):
            assert time.monotonic() < until, "no slot became free in 30 s"


def syn_flood(count):
    """SYNs from addresses that never answer; then an honest client is served within 10 s."""
    for chain in ["INPUT", "OUTPUT"]:
        # Neither our kernel's resets nor its "no such host" shall free the slots.
        run("iptables", "-A", chain, "-p", "tcp", "--tcp-flags", "RST", "RST", "-j", "DROP")
    raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
    to = socket.inet_aton(SERVER[0])
    generator = random.Random(7)
    for number in range(count):
        source = bytes([192, 168, 69, 101 + number % 100])
        port = 1024 + number % 60_000
        tcp = struct.pack("!HHIIBBHHH", port, SERVER[1], generator.getrandbits(32), 0, 5 << 4, 2, 1024, 0, 0)
        check = checksum(source + to + struct.pack("!BBH", 0, 6, len(tcp)) + tcp)
        tcp = tcp[:16] + struct.pack("!H", check) + tcp[18:]
        ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(tcp), 0, 0, 64, 6, 0, source, to)
        raw.sendto(ip + tcp, (SERVER[0], 0))
    run("iptables", "-F")
    start = time.monotonic()
    with served() as peer:
        round_trip(peer, b"honest\n")
    waited = time.monotonic() - start
    assert waited < 10, f"served after {waited:.1f} s"


def one_after_the_other(count):
    for number in range(count):
        with connect() as peer:
            exact(b"line %d\n" % number, peer)
    print("done", flush=True)
    signal.pause()


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total & 0xFFFF) + (total >> 16)
    return ~(total + (total >> 16)) & 0xFFFF


if __name__ == "__main__":
    test, *numbers = sys.argv[1:]
    globals()[test](*map(int, numbers))
