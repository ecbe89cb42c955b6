"""The TAP device of `echo-tap --netns` on a bridge that snoops MLD, and asks who listens."""

import select
import socket
import subprocess
import sys
import time

TAP = sys.argv[1]
SERVER = ("fdaa::1", 18080)
GROUP = "ff02::1:ff00:1"  # the solicited-node group of its address
LIMIT = 30  # seconds that any one step may take
REPORT_V1, REPORT_V2 = 131, 143
MODE_IS_EXCLUDE = 2


def run(command):
    done = subprocess.run(command.split(), check=True, capture_output=True, text=True)
    return done.stdout


def wait(what, look):
    until = time.monotonic() + LIMIT
    while not look():
        assert time.monotonic() < until, f"not within {LIMIT} s: {what}"
        time.sleep(0.05)


def frames(link, seconds):
    """What crosses the TAP device within this time, and the direction as the kernel sees it."""
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        if select.select([link], [], [], left)[0]:
            frame, address = link.recvfrom(2048)
            if frame[12:14] == b"\x86\xdd":
                yield frame[14:], address[2] == socket.PACKET_OUTGOING


def delivers_solicitation(link, number):
    """Whether the bridge passes a solicitation for an address that nobody has on to the server."""
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sender:
        sender.sendto(b"x", (f"fdaa::{number:x}", 9))
    group = socket.inet_pton(socket.AF_INET6, f"ff02::1:ff00:{number:x}")
    return any(is_out and ip[24:40] == group for ip, is_out in frames(link, 0.3))


def hears_report(link, kind, record):
    """Whether the server reports with a message, or a first record, of such a type."""
    for ip, is_out in frames(link, 0.3):
        if not is_out and ip[6] == 0 and ip[40] == 58 and ip[48] == kind:
            if record is None or ip[56] == record:
                return True
    return False


def echo():
    """A line, after the server's hardware address has been forgotten."""
    run("ip -6 neigh flush dev br0")
    with socket.create_connection(SERVER, LIMIT) as server:
        server.sendall(b"line\n")
        assert server.recv(16) == b"line\n"


run("ip link add br0 type bridge mcast_snooping 1 mcast_query_response_interval 50")
# Every second it asks, and after 2.5 s it forgets who does not answer.
run("ip link set br0 type bridge mcast_query_interval 100 mcast_startup_query_interval 100")
run("ip link set br0 type bridge mcast_membership_interval 250 mcast_querier 1")
run(f"ip -6 addr flush dev {TAP}")
run(f"ip link set {TAP} master br0")
run("ip link set br0 up")
run("ip addr add fe80::b/64 dev br0 nodad")
run("ip addr add fdaa::100/64 dev br0 nodad")
link = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
link.bind((TAP, 0))

numbers = iter(range(0x1000, 0x2000))
wait("the bridge snoops", lambda: not delivers_solicitation(link, next(numbers)))
wait("the group in its table", lambda: f"port {TAP} grp {GROUP} " in run("bridge mdb show"))
echo()
# Queries of both versions are answered, and the group stays.
wait("an answer", lambda: hears_report(link, REPORT_V1, None))
run("ip link set br0 type bridge mcast_mld_version 2")
wait("an answer in version 2", lambda: hears_report(link, REPORT_V2, MODE_IS_EXCLUDE))
assert not delivers_solicitation(link, next(numbers)), "the bridge does not snoop any more"
echo()
