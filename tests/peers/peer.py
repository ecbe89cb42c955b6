"""A peer that is not ours: Python's socket module against an echo server at HOST PORT.

Ends with 0 when every byte came back as it should, with a message and 1 otherwise.
"""

import random
import socket
import sys
import threading

LIMIT_SECONDS = 30


def connect():
    return socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=LIMIT_SECONDS)


def read_to_end(sock):
    pieces = []
    while piece := sock.recv(65536):
        pieces.append(piece)
    return b"".join(pieces)


def check(what, got, expected):
    if got != expected:
        sys.exit(f"{what}: {len(got)} bytes came back, not the {len(expected)} that should: {got[:80]!r}")


def rest_at_half_close():
    with connect() as sock:
        sock.sendall(b"x\ny")
        sock.shutdown(socket.SHUT_WR)
        check("half-close", read_to_end(sock), b"x\ny")


def question_and_answer():
    with connect() as sock, sock.makefile("rwb") as stream:
        for number in range(1000):
            line = b"question %d\r\n" % number
            stream.write(line)
            stream.flush()
            check("question and answer", stream.readline(), line)


def nothing_before_the_newline():
    with connect() as sock:
        sock.sendall(b"unfinished")
        sock.settimeout(0.2)
        try:
            check("before the newline", sock.recv(100), b"")
        except TimeoutError:
            pass
        sock.settimeout(LIMIT_SECONDS)
        sock.sendall(b"\n")
        with sock.makefile("rb") as stream:
            check("after the newline", stream.readline(), b"unfinished\n")


def bulk():
    text = random.Random(1).randbytes(2_000_000)
    with connect() as sock:
        def send():
            sock.sendall(text)
            sock.shutdown(socket.SHUT_WR)
        sender = threading.Thread(target=send, daemon=True)
        sender.start()
        check("bulk", read_to_end(sock), text)
        sender.join(LIMIT_SECONDS)


rest_at_half_close()
question_and_answer()
nothing_before_the_newline()
bulk()
