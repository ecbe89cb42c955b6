"""A DHCP server with a fault, in the namespace of `echo-tap --netns --dhcp`: dhcp.py FAULT SECONDS.

Ends after so many seconds, and prints how many messages came."""

import socket
import struct
import subprocess
import sys
import time

SERVER = bytes([192, 168, 69, 100])
OTHER = bytes([192, 168, 69, 66])
LEASED = bytes([192, 168, 69, 9])
DISCOVER, OFFER, REQUEST, ACK, NAK = 1, 2, 3, 5, 6
HOUR = struct.pack("!I", 3600)


def option(code, value):
    return bytes([code, len(value)]) + value


MASK = option(1, bytes([255, 255, 255, 0]))
ROUTER = option(3, bytes([192, 168, 69, 3]))


def answer(request, kind, options, server=SERVER, file=b""):
    head = bytes([2, 1, 6, 0]) + request[4:8] + bytes([0, 0]) + request[10:12]
    address = LEASED if kind != NAK else bytes(4)
    fields = bytes(4) + address + SERVER + bytes(4) + request[28:44] + bytes(64) + file.ljust(128, b"\0")
    head_options = option(53, bytes([kind])) + option(54, server)
    return head + fields + bytes([99, 130, 83, 99]) + head_options + options + b"\xff"


def answers(fault, request, kind, renewals):
    if kind == DISCOVER:
        return [answer(request, OFFER, MASK + option(51, HOUR))]
    lease = option(51, HOUR)
    if fault == "two_routers":
        return [answer(request, ACK, MASK + option(3, bytes([192, 168, 69, 3, 192, 168, 69, 4])) + lease)]
    if fault == "no_mask":
        return [answer(request, ACK, lease)]
    if fault == "options_in_the_file_field":
        return [answer(request, ACK, option(52, b"\1") + lease, file=MASK + ROUTER + b"\xff")]
    if fault == "refused_by_another":
        other = answer(request, NAK, b"", server=OTHER)
        return [other, answer(request, ACK, MASK + lease)]
    if fault == "always_refused":
        return [answer(request, NAK, b"")]
    if fault == "no_time":
        return [answer(request, ACK, MASK + option(51, bytes(4)))]
    if fault == "bare_renewal":
        # Ten seconds, so that it is renewed after five.
        lease = option(51, struct.pack("!I", 10))
        return [answer(request, ACK, lease + (b"" if renewals else MASK + ROUTER))]
    if fault == "one_short_lease":
        lease = option(51, struct.pack("!I", 10))
        return [] if renewals else [answer(request, ACK, MASK + lease)]
    return [answer(request, ACK, MASK + ROUTER + lease)]


def serve(fault, seconds):
    subprocess.run(["ip", "addr", "replace", "192.168.69.100/24", "dev", "tap0"], check=True)
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"tap0")
    server.bind(("", 67))
    if fault == "late_link":
        subprocess.run(["ip", "link", "set", "tap0", "down"], check=True)
        # Long enough for the waits between tries to have grown.
        time.sleep(6)
        subprocess.run(["ip", "link", "set", "tap0", "up"], check=True)
        begin = time.monotonic()
        server.recv(2048)
        print(f"{time.monotonic() - begin:.3f}")
    end = time.monotonic() + seconds
    requests = 0
    messages = 0
    while (left := end - time.monotonic()) > 0:
        server.settimeout(left)
        try:
            request, peer = server.recvfrom(2048)
        except TimeoutError:
            break
        messages += 1
        kind = request[240:].split(bytes([53, 1]), 1)[1][0]
        to = ("255.255.255.255", 68) if peer[0] == "0.0.0.0" else peer
        for reply in answers(fault, request, kind, requests):
            server.sendto(reply, to)
        requests += kind == REQUEST
    if fault == "far_peer":
        subprocess.run(["ip", "addr", "add", "10.9.9.9/32", "dev", "lo"], check=True)
        # Asks for hardware addresses in the name of the link's own address.
        with open("/proc/sys/net/ipv4/conf/tap0/arp_announce", "w") as setting:
            setting.write("2")
        # An echo goes back to where its segment came from, but the answer to a ping by the route.
        ping = ["ping", "-c", "10", "-i", "0.3", "-W", "1", "-I", "10.9.9.9", "192.168.69.9"]
        is_answered = subprocess.run(ping, stdout=subprocess.DEVNULL).returncode == 0
        print("pong and", answer_of_the_echo("10.9.9.9") if is_answered else "nothing\n", end="")
    if fault in ("one_short_lease", "refused_by_another"):
        print(answer_of_the_echo("192.168.69.100"), end="")
    print(f"{messages} messages")


def answer_of_the_echo(own):
    """Talks to the echo at the address that was leased, from `own`."""
    for _ in range(10):
        try:
            with socket.create_connection(("192.168.69.9", 18080), 10, (own, 0)) as peer:
                peer.sendall(b"echo\n")
                return peer.recv(5).decode()
        except OSError:
            time.sleep(0.1)
    return "no echo\n"


if __name__ == "__main__":
    serve(sys.argv[1], float(sys.argv[2]))
