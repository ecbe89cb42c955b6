#!/bin/sh
# curl with telnet:// does not tell the server that its input has ended, and so waits for ever for one
# that ends after its client, as an echo does. Into a pipe it prints nothing before, unless with -N.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
apt-get -qq download 'curl=7.88.1*' 'libcurl4=7.88.1*' 2> log || { cat log; exit 1; }
for package in *.deb; do
    dpkg -x "$package" .
done
export LD_LIBRARY_PATH="$(echo "$folder"/usr/lib/*-linux-gnu*)"
./usr/bin/curl --version | head -n 1
cat > finding.py <<'END'
import socket, subprocess

def got(*options):
    """Pipes a line through curl to a server that sends it back: what curl prints, and what the server reads next."""
    server = socket.create_server(("127.0.0.1", 0))
    url = f"telnet://127.0.0.1:{server.getsockname()[1]}"
    curl = subprocess.Popen(["./usr/bin/curl", "--silent", *options, url],
                            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    connection = server.accept()[0]
    curl.stdin.write(b"hello\n")
    curl.stdin.close()
    connection.sendall(connection.recv(100))
    connection.settimeout(5)
    try:
        after = connection.recv(100)
    except TimeoutError:
        after = None
    curl.kill()
    return curl.stdout.read(), after

said = [got(), got("-N")]
for (printed, after), options in zip(said, ("", " -N")):
    print(f"printf 'hello\\n' | curl{options} telnet://…: in 5 s it printed {printed}, the server saw an end: {after == b''}")
raise SystemExit(0 if said == [(b"", None), (b"hello\n", None)] else 1)
END
python3 finding.py
