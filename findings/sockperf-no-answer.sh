#!/bin/sh
# sockperf: a ping-pong without a single answer ends with exit code 0, so that a script takes a server
# which accepts and stays silent for a good one. An echo is no server for it either: it expects a changed
# header.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
apt-get -qq download 'sockperf=3.7*' 2> log || { cat log; exit 1; }
dpkg -x sockperf_*.deb .
cat > finding.py <<'END'
import socket, subprocess, threading, time

SOCKPERF = "./usr/bin/sockperf"

def ping_pong(port):
    """Returns whether sockperf says that nothing was received, and its exit code."""
    run = subprocess.run([SOCKPERF, "ping-pong", "--tcp", "-i", "127.0.0.1", "-p", str(port), "-t", "2"],
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60)
    return b"No messages were received" in run.stdout, run.returncode

def serve(server, answer):
    connection = server.accept()[0]
    while received := connection.recv(4096):
        if answer:
            connection.sendall(received)

said = {}
for name, answer in (("silent server", False), ("echo", True)):
    server = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=serve, args=(server, answer), daemon=True).start()
    said[name] = ping_pong(server.getsockname()[1])
with socket.create_server(("127.0.0.1", 0)) as free:
    port = free.getsockname()[1]
own = subprocess.Popen([SOCKPERF, "server", "--tcp", "-i", "127.0.0.1", "-p", str(port)], stdout=subprocess.DEVNULL)
for _ in range(100):
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", port)) == 0:
            break
    time.sleep(0.1)
said["sockperf's server"] = ping_pong(port)
own.kill()
for name, (nothing, code) in said.items():
    print(f"{name}: nothing was received: {nothing}, exit {code}")
raise SystemExit(0 if list(said.values()) == [(True, 0), (True, 0), (False, 0)] else 1)
END
echo "sockperf 3.7"
python3 finding.py
