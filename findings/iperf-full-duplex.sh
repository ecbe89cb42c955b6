#!/bin/sh
# iperf 2 with --full-duplex takes any server that sends its bytes back for an iperf server, and
# reports a bandwidth in both directions.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
apt-get -qq download 'iperf=2.1.8*' 2> log || { cat log; exit 1; }
dpkg -x iperf_*.deb .
cat > server.py <<'END'
import re, select, socket, subprocess, threading
def echo(connection):
    connection.setblocking(False)
    held = b""
    while True:
        reads = [connection] if len(held) < 1000000 else []
        ready, writable, _ = select.select(reads, [connection] if held else [], [])
        if ready:
            data = connection.recv(65536)
            if not data:
                return connection.close()
            held += data
        if writable:
            held = held[connection.send(held):]
def accept():
    while True:
        threading.Thread(target=echo, args=server.accept()[:1], daemon=True).start()
server = socket.create_server(("127.0.0.1", 0))
threading.Thread(target=accept, daemon=True).start()
port = str(server.getsockname()[1])
command = ["./usr/bin/iperf", "-c", "127.0.0.1", "-p", port, "--full-duplex", "-t", "2"]
client = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60)
text = client.stdout.decode()
version = subprocess.run(command[:1] + ["-v"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
print(version.stdout.decode().rstrip())
print("iperf -c 127.0.0.1 --full-duplex against a plain echo: exit", client.returncode)
print(text.rstrip())
both = re.search(r"^\[SUM\].*bits/sec", text, re.M)
raise SystemExit(0 if client.returncode == 0 and both else 1)
END
python3 server.py
