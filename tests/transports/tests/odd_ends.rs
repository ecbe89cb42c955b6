//! Transports whose end is not the end of input: timeouts of sockets and serial ports, and resets.

#![cfg(unix)]

use std::io::{self, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use embedded_io_adapters::std::FromStd;
use linecho_core::embedded_io::ErrorKind;
use linecho_core::transport::Interpret;
use linecho_core::{Config, Instant, Reason, Session, blocking};

const SOON: Duration = Duration::from_millis(50);

fn session() -> Session<[u8; 64]> {
    Session::new([0; 64], Config::new(), Instant::ZERO)
}

fn tcp_pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let theirs = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (listener.accept().unwrap().0, theirs)
}

/// The one that the documentation of `Interpret` shows.
fn with_timeouts(result: io::Result<usize>) -> Result<usize, ErrorKind> {
    result.map_err(|error| match error.kind() {
        io::ErrorKind::WouldBlock => ErrorKind::TimedOut,
        kind => kind.into(),
    })
}

#[test]
fn the_timeout_of_a_socket_is_a_timeout_and_lines_before_it_went_back() {
    let (ours, mut theirs) = tcp_pair();
    ours.set_read_timeout(Some(SOON)).unwrap();
    theirs.write_all(b"one\ntwo").unwrap();
    let mut io = Interpret::new(FromStd::new(ours), with_timeouts);
    let mut session = session();
    let reason = blocking::serve(&mut session, &mut io);
    assert_eq!(reason, Reason::Failed(ErrorKind::TimedOut));
    let mut one = [0; 4];
    theirs.read_exact(&mut one).unwrap();
    assert_eq!(&one, b"one\n");
}

#[test]
fn the_timeout_of_a_serial_port_is_a_timeout() {
    let pair = nix::pty::openpty(None, None).unwrap();
    let name = nix::unistd::ttyname(&pair.slave).unwrap();
    let port = serialport::new(name.to_string_lossy(), 0).timeout(SOON);
    let mut io = FromStd::new(port.open_native().unwrap());
    let reason = blocking::serve(&mut session(), &mut io);
    assert_eq!(reason, Reason::Failed(ErrorKind::TimedOut));
}

#[test]
fn a_reset_of_the_peer_is_a_reset() {
    let (ours, theirs) = tcp_pair();
    // Closing a socket with unread input sends a RST (RFC 2525, section 2.17).
    (&ours).write_all(b"never read").unwrap();
    theirs.peek(&mut [0]).unwrap();
    drop(theirs);
    let reason = blocking::serve(&mut session(), &mut FromStd::new(ours));
    assert_eq!(reason, Reason::Reset);
}
