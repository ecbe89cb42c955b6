//! Connections that come about, and those that do not.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use linecho_std::{Cause, Client, ConnectError};

use crate::kit::*;

#[test]
fn the_next_address_is_tried_when_one_refuses() {
    let good = server(echo_lines);
    let mut client = Client::builder().connect_any(&[refusing(), good]).unwrap();
    assert_eq!(client.peer_addr().unwrap(), good);
    client.echo(b"hello").unwrap();
}

#[test]
fn no_connection_names_each_address_and_cause() {
    let nobody = refusing();
    let error = Client::builder()
        .connect_any(&[nobody, nobody])
        .unwrap_err();
    assert!(matches!(&error, ConnectError::Failed(attempts) if attempts.len() == 2));
    assert_eq!(error.cause(), Cause::Refused);
    let text = error.to_string();
    assert!(
        text.contains(&nobody.to_string()) && text.contains("refused"),
        "{text}"
    );
    let error = Client::connect("not an address", LIMIT).unwrap_err();
    assert_eq!(error.cause(), Cause::Dns);
}

/// TCP connects to itself when our port is the one that we connect to.
#[test]
fn a_connection_to_itself_is_refused() {
    let nobody = refusing();
    let client = Client::builder().source(nobody).timeout(LIMIT);
    for _ in 0..3 {
        let error = client.connect(nobody).unwrap_err();
        assert_eq!(error.cause(), Cause::Refused, "{error}");
    }
    // The port is free for a server at once.
    std::net::TcpListener::bind(nobody).unwrap();
}

/// A name whose look-up takes long.
struct Slow;

impl std::net::ToSocketAddrs for Slow {
    type Iter = std::vec::IntoIter<SocketAddr>;

    fn to_socket_addrs(&self) -> std::io::Result<Self::Iter> {
        std::thread::sleep(LIMIT);
        Ok(Vec::new().into_iter())
    }
}

#[test]
fn a_look_up_is_bounded_by_the_timeout() {
    let began = Instant::now();
    let error = Client::connect(Slow, Duration::from_millis(50)).unwrap_err();
    assert!(began.elapsed() < LIMIT / 2);
    assert_eq!(
        (error.cause(), &*error.to_string()),
        (Cause::Dns, "the name look-up got no answer within 50ms")
    );
}

#[test]
fn the_preface_goes_before_the_first_line() {
    let address = server(|mut stream| {
        let mut all = [0; 12];
        std::io::Read::read_exact(&mut stream, &mut all).unwrap();
        assert_eq!(&all, b"first\nhello\n");
        std::io::Write::write_all(&mut stream, b"hello\n").unwrap();
    });
    let client = Client::builder().preface(|_, _| b"first\n".to_vec());
    client.connect(address).unwrap().echo(b"hello").unwrap();
}

#[cfg(target_os = "linux")]
#[test]
fn the_kernel_tells_of_the_connection() {
    let mut client = connect(server(echo_lines));
    client.echo(b"hello").unwrap();
    let tcp = client.tcp_info().unwrap();
    assert!(tcp.send_mss > 500 && tcp.sack, "{tcp:?}");
    assert_eq!(
        (tcp.acknowledged_bytes, tcp.unacknowledged_bytes),
        (Some(6), Some(0))
    );
    assert_eq!(tcp.unsent_bytes, Some(0));
    assert!(
        tcp.peer_window.is_none_or(|window| window > 1000),
        "{tcp:?}"
    );
}

/// Linux takes 32,767 s (tcp(7)), and would go on with its own two hours.
#[cfg(any(target_os = "linux", target_os = "android"))]
#[test]
fn a_silence_that_is_longer_than_the_system_takes_is_as_long_as_it_takes() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    for (silence, seconds) in [
        (Duration::from_secs(90), 90),
        (Duration::from_secs(86_400), 32_767),
    ] {
        let client = Client::builder().keep_alive(silence);
        let stream = client.connect_stream(&[address]).unwrap();
        let time = socket2::SockRef::from(&stream).tcp_keepalive_time();
        assert_eq!(time.unwrap(), Duration::from_secs(seconds));
    }
}
