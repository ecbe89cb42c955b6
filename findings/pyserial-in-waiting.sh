#!/bin/sh
# pyserial over TCP (socket://): in_waiting is 1 however many bytes wait, so that the usual
# read(in_waiting) takes one byte of a line. On a serial port (here a pty) it is their number.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip --quiet --disable-pip-version-check install pyserial==3.5
cat > finding.py <<'END'
import os, pty, select, serial, socket, tty

LINE = b"hello, world\n"

def ask(url, send):
    """Sends a line to a port that pyserial has open, and asks what waits there."""
    with serial.serial_for_url(url, timeout=5) as port:
        send(LINE)
        select.select([port.fileno()], [], [], 5)
        count = port.in_waiting
        got = port.read(count)
        print(f"{url.split(':')[0]}: {len(LINE)} bytes wait, in_waiting is {count}, read(in_waiting) is {got}")
        return count

print("pyserial", serial.__version__)
server = socket.create_server(("127.0.0.1", 0))
over_tcp = ask(f"socket://127.0.0.1:{server.getsockname()[1]}", lambda line: server.accept()[0].sendall(line))
master, slave = pty.openpty()
tty.setraw(slave)
over_pty = ask(os.ttyname(slave), lambda line: os.write(master, line))
raise SystemExit(0 if (over_tcp, over_pty) == (1, len(LINE)) else 1)
END
venv/bin/python finding.py
