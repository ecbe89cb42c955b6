#!/bin/sh
# inetutils' telnet with input that has ended sends nothing of it: `printf ... | telnet` says that the
# other side closed, which it did not, and exits with 0.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
apt-get -qq download 'inetutils-telnet=2:2.4-2*' 2> log || { cat log; exit 1; }
dpkg -x inetutils-telnet_*.deb .
./usr/bin/inetutils-telnet --version | head -n 1
cat > server.py <<'END'
import socket, subprocess
server = socket.create_server(("127.0.0.1", 0))
port = str(server.getsockname()[1])
client = subprocess.run(["./usr/bin/inetutils-telnet", "127.0.0.1", port], input=b"hello\n",
                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60)
connection = server.accept()[0]
connection.settimeout(10)
got = b"".join(iter(lambda: connection.recv(100), b""))
print("printf 'hello\\n' | telnet: exit", client.returncode)
print(client.stdout.decode().rstrip())
print("the server, which closes nothing, got", got)
told = b"closed by foreign host" in client.stdout
raise SystemExit(0 if got == b"" and told and client.returncode == 0 else 1)
END
python3 server.py
