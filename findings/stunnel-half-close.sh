#!/bin/sh
# stunnel: when the client half-closes after its request, an answer of some megabytes is cut short at
# times. The client reads a clean end; without the tunnel, all of every answer arrives.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
apt-get -qq download 'stunnel4=3:5.68*' libwrap0 openssl 2> log || { cat log; exit 1; }
for package in *.deb; do dpkg -x "$package" .; done
PATH=$folder/usr/bin:$PATH LD_LIBRARY_PATH=$(dirname "$(find "$folder" -name 'libwrap.so.0' | head -n 1)")
export PATH LD_LIBRARY_PATH
openssl req -x509 -newkey rsa:2048 -nodes -keyout key -out certificate -days 2 -subj /CN=localhost 2> log
cat key certificate > both
stunnel4 -version 2>&1 | grep '^stunnel'
cat > finding.py <<'END'
import socket, subprocess, threading, time
ANSWER = 16 << 20

def answer(stream):
    try:
        stream.recv(100)
        stream.sendall(b"x" * ANSWER)
        while stream.recv(65536):
            pass
    except OSError:
        pass
    stream.close()

def accept(listener):
    while True:
        threading.Thread(target=answer, args=listener.accept()[:1], daemon=True).start()

def free():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return taken.getsockname()[1]

def missing(port):
    """Asks, half-closes, and reads to the end: the bytes of the answer that did not come."""
    with socket.create_connection(("127.0.0.1", port), 60) as stream:
        stream.sendall(b"get\n")
        time.sleep(0.05)
        stream.shutdown(socket.SHUT_WR)
        time.sleep(0.1)
        return ANSWER - sum(map(len, iter(lambda: stream.recv(65536), b"")))

def tunnel(name, front, back, more):
    with open(name, "w") as conf:
        conf.write(f"foreground = yes\npid =\n{more}\n[tunnel]\n"
                   f"accept = 127.0.0.1:{front}\nconnect = 127.0.0.1:{back}\n")
    return subprocess.Popen(["stunnel4", name], stderr=subprocess.DEVNULL)

def wait(port):
    for _ in range(600):
        try:
            return socket.create_connection(("127.0.0.1", port), 60).close()
        except OSError:
            time.sleep(0.1)
    raise SystemExit("no tunnel")

server = socket.create_server(("127.0.0.1", 0))
threading.Thread(target=accept, args=(server,), daemon=True).start()
back, middle, front = server.getsockname()[1], free(), free()
tunnels = [tunnel("server", middle, back, "cert = both"), tunnel("client", front, middle, "client = yes")]
try:
    wait(middle), wait(front)
    direct = [missing(back) for _ in range(20)]
    through = []
    while not any(through) and len(through) < 100:
        through.append(missing(front))
finally:
    for it in tunnels:
        it.terminate(), it.wait(60)
print(f"direct: of {len(direct)} answers {sum(map(bool, direct))} were cut short")
print(f"through stunnel: answer {len(through)} ended cleanly with {through[-1]:,} of {ANSWER:,} bytes missing")
raise SystemExit(0 if not any(direct) and any(through) else 1)
END
python3 finding.py
