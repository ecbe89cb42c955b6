//! Servers that identify themselves, and such that only begin to.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::Duration;

use linecho_std::load::{Length, Load};
use linecho_std::{
    Cause, Client, ClientError, Handle, Identity, Ping, PingEvent, Reconnect, Server,
};

use crate::kit::*;

/// An echo that identifies itself, and runs until this is dropped.
struct Echo(SocketAddr, Handle);

impl Echo {
    fn start(name: &str) -> Self {
        let server = Server::builder().identify(name);
        let server = server.listen(["127.0.0.1:0".parse().unwrap()]).unwrap();
        let echo = Self(server.addresses()[0], server.handle());
        thread::spawn(|| server.run());
        echo
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        self.1.shutdown();
        self.1.shutdown();
    }
}

fn greeting() -> Vec<u8> {
    Identity::new("fake", "peer", "local").to_line()
}

/// Sends pieces with the client's acknowledgement of each between, then echoes lines.
fn greets_with(pieces: Vec<Vec<u8>>) -> SocketAddr {
    server(move |mut stream| {
        stream.set_nodelay(true).unwrap();
        for piece in pieces {
            stream.write_all(&piece).unwrap();
            thread::yield_now();
        }
        echo_lines(stream);
    })
}

#[test]
fn an_echo_and_a_filter_take_the_greeting_out() {
    let server = Echo::start("one");
    let mut client = connect(server.0);
    client.echo(b"line").unwrap();
    let identity = client.identity().unwrap();
    assert_eq!(identity.backend.name, "one");
    assert_eq!(identity.peer, client.local_addr().unwrap().to_string());
    client.echo(b"line").unwrap();

    for input in [&b""[..], b"x\ny", b"one\ntwo\n", &b"line\n".repeat(100_000)] {
        let (result, output) = filter(connect(server.0), input);
        result.unwrap();
        assert!(output == input);
    }
}

#[test]
fn the_greeting_may_come_in_pieces() {
    for size in [1, 2, 7, 50] {
        let pieces = greeting().chunks(size).map(<[u8]>::to_vec).collect();
        let (result, output) = filter(connect(greets_with(pieces)), b"x\n");
        assert_eq!((result.unwrap().bytes, &*output), (2, &b"x\n"[..]));
    }
}

/// It is not waited for, and may come when lines are on their way.
#[test]
fn the_greeting_may_come_late() {
    let address = server(|mut stream| {
        let mut line = [0; 6];
        stream.read_exact(&mut line).unwrap();
        stream
            .write_all(&[&greeting()[..], &line].concat())
            .unwrap();
        let _ = stream.read_to_end(&mut Vec::new());
    });
    let mut client = connect(address);
    assert_eq!(client.identity(), None);
    client.echo(b"hello").unwrap();
    assert_eq!(client.identity().unwrap().backend.name, "fake");
}

fn mismatch(result: Result<impl std::fmt::Debug, ClientError>) -> String {
    let error = result.unwrap_err();
    assert_eq!(error.cause(), Cause::Mismatch, "{error}");
    error.to_string()
}

#[test]
fn a_greeting_behind_an_echo_is_a_mismatch() {
    let address = server(|mut stream| {
        let mut line = [0; 6];
        stream.read_exact(&mut line).unwrap();
        stream
            .write_all(&[&line[..], &greeting()].concat())
            .unwrap();
        let _ = stream.read_to_end(&mut Vec::new());
    });
    let text = mismatch(filter(connect(address), b"hello\n").0);
    assert!(text.contains("goes on to a new connection"), "{text}");
}

#[test]
fn a_second_greeting_is_a_mismatch() {
    let address = greets_with(vec![greeting(), greeting()]);
    mismatch(connect(address).echo(b"hello"));
}

#[test]
fn a_wrong_greeting_is_a_mismatch() {
    for wrong in [
        "{\"linecho\":1,\"name\":\n",
        "{\"linecho\":1}\n",
        "{\"name\":\"n\",\"linecho\":1}\n",
        "hello, I am an echo\n",
    ] {
        let address = greets_with(vec![wrong.into()]);
        mismatch(connect(address).echo(b"hello"));
    }
}

/// The line behind it belongs to it, which makes it wrong.
#[test]
fn half_a_greeting_is_a_mismatch() {
    let half = greeting()[..20].to_vec();
    mismatch(connect(greets_with(vec![half.clone()])).echo(b"hello"));

    // Nothing more comes.
    let mut client = connect(server(move |mut stream| {
        stream.write_all(&half).unwrap();
        let _ = stream.read_to_end(&mut Vec::new());
    }));
    client.set_timeout(Duration::from_millis(300));
    let text = mismatch(client.echo(b"hello"));
    assert!(text.contains("linecho"), "{text}");
}

#[test]
fn the_end_after_half_a_greeting_is_a_mismatch() {
    let half = greeting()[..20].to_vec();
    let address = server(move |mut stream: TcpStream| stream.write_all(&half).unwrap());
    mismatch(connect(address).watch(LIMIT, |_| ()));
}

/// A line that looks like a greeting comes back, also through a server that greets.
#[test]
fn a_line_may_look_like_a_greeting() {
    let half = greeting()[..20].to_vec();
    for input in [greeting(), [&greeting()[..], b"x\n"].concat(), half] {
        for address in [server(echo_lines), Echo::start("one").0] {
            let (result, output) = filter(connect(address), &input);
            result.unwrap();
            assert!(output == input);
        }
    }
}

#[test]
fn ping_counts_by_server() {
    // One address with two servers behind it, in turn.
    let servers = [Echo::start("one"), Echo::start("two")];
    let front = round_robin(servers.each_ref().map(|it| it.0));
    let mut ping = Ping::new(front, &Client::builder().timeout(LIMIT))
        .interval(Duration::from_millis(1))
        .reconnect(Reconnect::Each);
    let mut names = Vec::new();
    ping.run(Some(6), None, |event| {
        if let PingEvent::Reply { backend, .. } = event {
            names.push(backend.clone().unwrap().name);
        }
    });
    assert_eq!(names, ["one", "two", "one", "two", "one", "two"]);
    let stats = ping.stats().get();
    let counted = stats.backends.iter();
    let counted: Vec<_> = counted
        .map(|it| (&*it.backend.name, it.connections, it.lines))
        .collect();
    assert_eq!(counted, [("one", 3, 3), ("two", 3, 3)]);
}

#[test]
fn half_a_greeting_is_what_ping_tells_of() {
    let half = greeting()[..20].to_vec();
    let address = server(move |mut stream| {
        stream.write_all(&half).unwrap();
        let _ = stream.read_to_end(&mut Vec::new());
    });
    let builder = Client::builder().timeout(Duration::from_millis(300));
    let mut ping = Ping::new(address, &builder);
    ping.run(Some(1), None, |_| ());
    let stats = ping.stats().get();
    assert_eq!(stats.causes.get(&Cause::Mismatch), Some(&1), "{stats:?}");
}

#[test]
fn load_counts_by_server() {
    let servers = [Echo::start("one"), Echo::start("two")];
    let front = round_robin(servers.each_ref().map(|it| it.0));
    let stats = Load::new(&Client::builder().timeout(LIMIT), &[front])
        .connections(4)
        .in_flight(8)
        .length(Length::Lines(1000))
        .run(|_| (), |_| ())
        .unwrap();
    assert!(stats.failures.is_empty(), "{stats:?}");
    let mut names: Vec<_> = stats.backends.iter().map(|it| &*it.backend.name).collect();
    names.sort_unstable();
    assert_eq!(names, ["one", "two"]);
    let connections: u64 = stats.backends.iter().map(|it| it.connections).sum();
    let lines: u64 = stats.backends.iter().map(|it| it.lines).sum();
    assert_eq!((connections, lines), (4, 1000), "{stats:?}");
}

/// A relay that gives each connection to the next of these servers.
fn round_robin(servers: [SocketAddr; 2]) -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for (client, server) in listener.incoming().flatten().zip(servers.iter().cycle()) {
            let server = TcpStream::connect(server).unwrap();
            for (from, to) in [(&client, &server), (&server, &client)] {
                let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                thread::spawn(move || {
                    let _ = std::io::copy(&mut from, &mut to);
                    let _ = to.shutdown(std::net::Shutdown::Write);
                });
            }
        }
    });
    address
}
