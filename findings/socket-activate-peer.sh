#!/bin/sh
# systemd-socket-activate --accept, which stands in for systemd when a unit with Accept=yes is tried,
# tells the program nothing of its peer: no REMOTE_ADDR and REMOTE_PORT (systemd.exec(5)), and no
# LISTEN_FDNAMES. The variables of the shell that it was started in do not get through either.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
apt-get -qq download 'systemd=252.*' 2> log || { cat log; exit 1; }
dpkg -x systemd_*.deb .
cat > finding.py <<'END'
import os, socket, subprocess

with socket.create_server(("127.0.0.1", 0)) as free:
    port = free.getsockname()[1]
activate = subprocess.Popen(
    ["./usr/bin/systemd-socket-activate", "-l", f"127.0.0.1:{port}", "--accept", "/usr/bin/env"],
    stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    env=dict(os.environ, RUST_LOG="debug"))
activate.stderr.readline()  # "Listening on …"
socket.create_connection(("127.0.0.1", port)).close()
for line in activate.stderr:
    if "died" in line:
        break
activate.terminate()
names = {line.split("=")[0] for line in activate.communicate()[0].splitlines()}
print("the program of the connection has LISTEN_FDS:", "LISTEN_FDS" in names)
missing = ["REMOTE_ADDR", "REMOTE_PORT", "LISTEN_FDNAMES", "RUST_LOG"]
for name in missing:
    print(f"it has {name}:", name in names)
raise SystemExit(0 if "LISTEN_FDS" in names and not names & set(missing) else 1)
END
export LD_LIBRARY_PATH="$folder/lib/systemd:$folder/usr/lib/systemd"
./usr/bin/systemd-socket-activate --version | head -n 1
python3 finding.py
