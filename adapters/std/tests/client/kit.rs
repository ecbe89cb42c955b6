//! Servers and relays for one connection each, and a client.

use std::io::{BufRead, BufReader, Cursor, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use linecho_std::{Client, ClientError, FilterSummary};
use socket2::SockRef;

pub(crate) const LIMIT: Duration = Duration::from_secs(20);

/// A server for one connection.
pub(crate) fn server(serve: impl FnOnce(TcpStream) + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || serve(listener.accept().unwrap().0));
    address
}

/// The plainest right server: whole lines, and the rest at the end of input.
pub(crate) fn echo_lines(stream: TcpStream) {
    let mut input = BufReader::new(stream.try_clone().unwrap());
    let (mut output, mut line) = (stream, Vec::new());
    while input.read_until(b'\n', &mut line).unwrap() > 0 {
        output.write_all(&line).unwrap();
        line.clear();
    }
}

/// Reads `n` bytes, answers with `answer`, then waits for the client to go.
pub(crate) fn answer(n: usize, answer: &'static [u8]) -> SocketAddr {
    server(move |mut stream| {
        stream.read_exact(&mut vec![0; n]).unwrap();
        stream.write_all(answer).unwrap();
        let _ = stream.read_to_end(&mut Vec::new());
    })
}

/// Reads `n` bytes, answers with `answer`, and never closes.
pub(crate) fn answer_and_stay(n: usize, answer: &'static [u8]) -> SocketAddr {
    server(move |mut stream| {
        stream.read_exact(&mut vec![0; n]).unwrap();
        stream.write_all(answer).unwrap();
        thread::sleep(LIMIT);
    })
}

pub(crate) fn connect(address: SocketAddr) -> Client {
    Client::connect(address, LIMIT).unwrap()
}

pub(crate) fn filter(
    client: Client,
    input: &[u8],
) -> (Result<FilterSummary, ClientError>, Vec<u8>) {
    let mut output = Vec::new();
    let result = client.filter(Cursor::new(input.to_vec()), &mut output);
    (result, output)
}

/// An address where nobody listens.
pub(crate) fn refusing() -> SocketAddr {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr();
    address.unwrap()
}

/// Ends the connection by a reset.
pub(crate) fn reset(stream: TcpStream) {
    let linger = SockRef::from(&stream).set_linger(Some(Duration::ZERO));
    linger.unwrap();
    drop(stream);
}

/// A relay that ends both directions when the client half-closes, as nginx does by default.
pub(crate) fn relay_without_half_close(server_address: SocketAddr) -> SocketAddr {
    server(move |client| {
        let server = TcpStream::connect(server_address).unwrap();
        let (mut from_server, mut to_client) =
            (server.try_clone().unwrap(), client.try_clone().unwrap());
        thread::spawn(move || {
            let _ = std::io::copy(&mut from_server, &mut to_client);
            let _ = to_client.shutdown(Shutdown::Both);
        });
        let (mut client, mut server) = (client, server);
        let _ = std::io::copy(&mut client, &mut server);
        let _ = client.shutdown(Shutdown::Both);
        let _ = server.shutdown(Shutdown::Both);
    })
}
