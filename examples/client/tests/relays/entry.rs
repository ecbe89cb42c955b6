//! The way into a proxy that has to be asked for a connection: asks, and passes on all that
//! follows, half-closes and resets too.

use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use socket2::SockRef;

use crate::kit::LOCAL;

/// Asks a proxy for a connection to a port of this machine.
type Ask = fn(&mut TcpStream, u16) -> io::Result<()>;

/// Listens at `front`, and asks the proxy at `proxy` for connections to `back`.
pub(crate) fn start(front: u16, proxy: u16, back: u16, ask: Ask) {
    let listener = TcpListener::bind((LOCAL, front)).unwrap();
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            thread::spawn(move || {
                let Ok(mut server) = TcpStream::connect((LOCAL, proxy)) else {
                    return;
                };
                // A refusal is an end for the client.
                if ask(&mut server, back).is_ok() {
                    pass_both_ways(&client, &server);
                }
            });
        }
    });
}

/// RFC 9110, 9.3.6.
pub(crate) fn http_connect(proxy: &mut TcpStream, port: u16) -> io::Result<()> {
    write!(
        proxy,
        "CONNECT {LOCAL}:{port} HTTP/1.1\r\nHost: {LOCAL}:{port}\r\n\r\n"
    )?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        proxy.read_exact(&mut byte)?;
        head.extend(byte);
    }
    match head.get(9..12) == Some(b"200") {
        true => Ok(()),
        false => Err(io::ErrorKind::ConnectionRefused.into()),
    }
}

/// RFC 1928, without authentication.
pub(crate) fn socks5(proxy: &mut TcpStream, port: u16) -> io::Result<()> {
    proxy.write_all(&[5, 1, 0])?;
    proxy.read_exact(&mut [0; 2])?;
    let [high, low] = port.to_be_bytes();
    proxy.write_all(&[5, 1, 0, 1, 127, 0, 0, 1, high, low])?;
    let mut reply = [0; 10];
    proxy.read_exact(&mut reply)?;
    match reply[1] {
        0 => Ok(()),
        _ => Err(io::ErrorKind::ConnectionRefused.into()),
    }
}

fn pass_both_ways(client: &TcpStream, server: &TcpStream) {
    for stream in [client, server] {
        let _ = stream.set_nodelay(true);
    }
    thread::scope(|scope| {
        scope.spawn(|| pass(server, client));
        pass(client, server);
    });
}

/// Until the end, which it passes on as what it is.
fn pass(mut from: &TcpStream, mut to: &TcpStream) {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match from.read(&mut buffer) {
            Ok(0) => break drop(to.shutdown(Shutdown::Write)),
            Ok(n) if to.write_all(&buffer[..n]).is_ok() => {}
            _ => {
                // Both are reset when they are dropped, which this brings about.
                for stream in [from, to] {
                    let _ = SockRef::from(stream).set_linger(Some(Duration::ZERO));
                    let _ = stream.shutdown(Shutdown::Read);
                }
                break;
            }
        }
    }
}
