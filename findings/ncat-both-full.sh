#!/bin/sh
# ncat: a relay of `ncat -l --sh-exec "ncat HOST PORT"` stops for ever when both directions are full, as
# those of a client that sends some megabytes before it reads. Without the relay everything comes back.
set -eu
folder=$(mktemp -d)
processes=
trap 'kill $processes 2>/dev/null || :; rm -rf "$folder"' EXIT
cd "$folder"
apt-get -qq download 'ncat=7.93*' liblua5.3-0 2> log || { cat log; exit 1; }
for package in *.deb; do dpkg -x "$package" .; done
PATH=$folder/usr/bin:$PATH LD_LIBRARY_PATH=$(dirname "$(find "$folder" -name 'liblua5.3*.so.0' | head -n 1)")
export PATH LD_LIBRARY_PATH
cat > finding.py <<'END'
import socket, sys, threading

def serve(stream):
    while data := stream.recv(65536):
        stream.sendall(data)

def echo(listener):
    while True:
        threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()

def returned(port):
    """Sends until nothing more is taken, then reads: how much was sent and how much came back."""
    stream = socket.create_connection(("127.0.0.1", port))
    stream.settimeout(2)
    sent = came = 0
    try:
        while sent < 256 << 20:
            sent += stream.send(b"x" * 16384)
    except TimeoutError:
        pass
    stream.settimeout(10)
    try:
        while came < sent:
            came += len(stream.recv(1 << 20))
    except TimeoutError:
        pass
    return sent, came

if sys.argv[1] == "serve":
    listener = socket.create_server(("127.0.0.1", int(sys.argv[2])))
    echo(listener)
sent, came = returned(int(sys.argv[2]))
print(f"{sys.argv[3]}: {sent} bytes sent before any was read, {came} came back")
sys.exit(sent == came)
END
port() { python3 -c 'import socket; s = socket.create_server(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
back=$(port) front=$(port)
python3 finding.py serve "$back" & processes="$processes $!"
ncat -lk 127.0.0.1 "$front" --sh-exec "ncat 127.0.0.1 $back" & processes="$processes $!"
sleep 1
ncat --version 2>&1
if python3 finding.py ask "$back" "without a relay"; then exit 1; fi
python3 finding.py ask "$front" "through ncat"
