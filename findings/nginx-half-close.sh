#!/bin/sh
# nginx as a TCP proxy ends both directions when the client shuts down its sending side, and drops
# what is on its way back: complete lines, too. `proxy_half_close on` (nginx 1.21.4) mends it.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
apt-get -qq download 'nginx=1.22.1*' 'libnginx-mod-stream=1.22.1*' 2> log || { cat log; exit 1; }
for package in *.deb; do dpkg -x "$package" .; done
./usr/sbin/nginx -v
cat > proxy.py <<'END'
import os, signal, socket, subprocess, threading, time
def echo(connection):
    # A server that answers a little later than its client has finished.
    data = b"".join(iter(lambda: connection.recv(65536), b""))
    time.sleep(0.2)
    try:
        connection.sendall(data)
    except OSError:
        pass
    connection.close()
def accept():
    while True:
        threading.Thread(target=echo, args=server.accept()[:1], daemon=True).start()
def free():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return taken.getsockname()[1]
server = socket.create_server(("127.0.0.1", 0))
threading.Thread(target=accept, daemon=True).start()
here = os.getcwd()
def through(option):
    port = free()
    with open("nginx.conf", "w") as conf:
        conf.write(f"load_module {here}/usr/lib/nginx/modules/ngx_stream_module.so;\n"
                   f"daemon off; pid {here}/pid; error_log {here}/error.log; events {{}}\n"
                   f"stream {{ server {{ listen 127.0.0.1:{port}; {option}\n"
                   f"proxy_pass 127.0.0.1:{server.getsockname()[1]}; }} }}\n")
    nginx = subprocess.Popen(["./usr/sbin/nginx", "-c", f"{here}/nginx.conf", "-e", f"{here}/error.log"])
    try:
        for _ in range(600):
            try:
                client = socket.create_connection(("127.0.0.1", port), 60)
                break
            except OSError:
                time.sleep(0.1)
        client.sendall(b"x\ny")
        client.shutdown(socket.SHUT_WR)
        got = b"".join(iter(lambda: client.recv(100), b""))
    finally:
        nginx.send_signal(signal.SIGTERM)
        nginx.wait(60)
    print(f"{option or 'default':24} sent {b'x' + bytes([10]) + b'y'} and half-closed, got {got}")
    return got
plain, mended = through(""), through("proxy_half_close on;")
raise SystemExit(0 if plain == b"" and mended == b"x\ny" else 1)
END
python3 proxy.py
