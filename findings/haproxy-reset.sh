#!/bin/sh
# haproxy: in TCP mode, when the server resets the connection in the midst of its answer, the client reads a clean end,
# as if the answer were complete. Without haproxy it reads the reset.
set -eu
folder=$(mktemp -d)
processes=
trap 'kill $processes 2>/dev/null || :; rm -rf "$folder"' EXIT
cd "$folder"
apt-get -qq download 'haproxy=2.6.12*' 'libopentracing-c-wrapper0*' 'liblua5.3-0*' 2> log || { cat log; exit 1; }
for package in *.deb; do dpkg -x "$package" .; done
PATH=$folder/usr/sbin:$PATH LD_LIBRARY_PATH=$(find "$folder" -name '*.so.*' -printf '%h\n' | sort -u | paste -sd :)
export PATH LD_LIBRARY_PATH
cat > finding.py <<'END'
import socket, struct, subprocess, sys, threading, time

def serve(listener):
    while True:
        stream, _ = listener.accept()
        stream.recv(1024)
        stream.sendall(b"half of the ")
        stream.recv(1024)  # The client has the half.
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        stream.close()  # A reset.

def asked(port):
    """What a client reads that asks at this port."""
    stream = socket.create_connection(("127.0.0.1", port), timeout=10)
    stream.sendall(b"?")
    answer = stream.recv(1024)
    stream.sendall(b"?")
    try:
        return answer + stream.recv(1024), "end"
    except ConnectionResetError:
        return answer, "reset"

back = socket.create_server(("127.0.0.1", 0))
threading.Thread(target=serve, args=(back,), daemon=True).start()
with socket.create_server(("127.0.0.1", 0)) as free:
    front = free.getsockname()[1]
with open("haproxy.cfg", "w") as file:
    file.write(f"""defaults
    mode tcp
    timeout connect 5s
    timeout client 30s
    timeout server 30s
listen it
    bind 127.0.0.1:{front}
    server one 127.0.0.1:{back.getsockname()[1]}
""")
proxy = subprocess.Popen(["haproxy", "-f", "haproxy.cfg"], stderr=subprocess.DEVNULL)
try:
    for _ in range(100):
        try:
            socket.create_connection(("127.0.0.1", front)).close()
            break
        except ConnectionRefusedError:
            time.sleep(0.1)
    plain, behind = asked(back.getsockname()[1]), asked(front)
finally:
    proxy.kill()
print("without haproxy:", *plain)
print("behind haproxy: ", *behind)
sys.exit((plain[1], behind[1]) != ("reset", "end"))
END
haproxy -v | head -n 1
python3 finding.py
