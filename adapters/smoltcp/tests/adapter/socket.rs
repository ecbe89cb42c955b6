//! The mapping of a smoltcp socket to `embedded-io`, in each situation that a socket can be in.

use std::time::Duration;

use crate::kit::{BUFFER, Client, Kit};
use linecho_smoltcp::linecho_core::embedded_io::{
    Error as _, ErrorKind, Read, ReadReady, Write, WriteReady,
};
use linecho_smoltcp::smoltcp::socket::tcp::{self, State};
use linecho_smoltcp::{Options, Socket, SocketError};

const SECOND: Duration = Duration::from_secs(1);

/// A client that the test reads and writes itself.
fn connected() -> (Kit<1>, usize) {
    let mut kit = Kit::new(Options::DEFAULT);
    let client = kit.connect();
    kit.client[client].reads = false;
    kit.drive("connected", SECOND, |kit| {
        kit.state(client) == State::Established
    });
    (kit, client)
}

/// `(read_ready, read, write_ready, write)` of up to 8 bytes.
type Answers = (
    bool,
    Result<Vec<u8>, SocketError>,
    bool,
    Result<usize, SocketError>,
);

fn answers(kit: &mut Kit<1>, client: usize) -> Answers {
    with(kit, client, |mut socket| {
        let mut buffer = [0; 8];
        let read_ready = socket.read_ready().unwrap();
        let read = socket.read(&mut buffer).map(|n| buffer[..n].to_vec());
        let write_ready = socket.write_ready().unwrap();
        (read_ready, read, write_ready, socket.write(b"8 bytes\n"))
    })
}

fn with<R>(kit: &mut Kit<1>, client: usize, f: impl FnOnce(Socket<'_, '_>) -> R) -> R {
    let Client { handle, .. } = kit.client[client];
    f(Socket::new(
        kit.clients.sockets.get_mut::<tcp::Socket>(handle),
    ))
}

fn write(kit: &mut Kit<1>, client: usize, bytes: &[u8]) -> Result<usize, SocketError> {
    with(kit, client, |mut socket| socket.write(bytes))
}

#[test]
fn while_connecting_nothing_is_ready_and_nothing_fails() {
    let mut kit = Kit::<1>::new(Options::DEFAULT);
    let client = kit.connect();
    assert_eq!(kit.state(client), State::SynSent);
    let not_now = (
        false,
        Err(SocketError::NotNow),
        false,
        Err(SocketError::NotNow),
    );
    assert_eq!(answers(&mut kit, client), not_now);
}

#[test]
fn open_and_quiet_reads_nothing_which_is_not_the_end() {
    let (mut kit, client) = connected();
    assert_eq!(
        answers(&mut kit, client),
        (false, Err(SocketError::NotNow), true, Ok(8))
    );
}

#[test]
fn what_has_arrived_is_read_also_around_the_end_of_the_ring() {
    let (mut kit, client) = connected();
    for _ in 0..3 {
        assert_eq!(write(&mut kit, client, &[b'\n'; 3000]), Ok(3000));
        kit.pass(SECOND);
        with(&mut kit, client, |mut socket| {
            assert_eq!(socket.read(&mut [0; 4000]), Ok(3000));
        });
    }
}

#[test]
fn a_full_send_buffer_is_not_ready_and_takes_nothing() {
    let (mut kit, client) = connected();
    with(&mut kit, client, |mut socket| {
        assert_eq!(
            socket.write(&[0; BUFFER + 1]),
            Ok(BUFFER),
            "as much as fits"
        );
        assert_eq!(socket.write_ready(), Ok(false));
        assert_eq!(socket.write(b"x"), Err(SocketError::NotNow));
        assert_eq!(SocketError::NotNow.kind(), ErrorKind::Interrupted);
    });
}

#[test]
fn after_data_and_fin_come_the_data_and_then_the_end() {
    let (mut kit, client) = connected();
    assert_eq!(write(&mut kit, client, b"last\n"), Ok(5));
    kit.listener.shutdown();
    kit.wake_server();
    kit.drive("the FIN", SECOND, |kit| {
        kit.state(client) == State::CloseWait
    });
    let (ready, data, ..) = answers(&mut kit, client);
    assert_eq!((ready, data), (true, Ok(b"last\n".to_vec())));
    // Our side is still open.
    assert_eq!(answers(&mut kit, client), (true, Ok(vec![]), true, Ok(8)));
}

#[test]
fn after_our_side_closed_writing_fails_and_reading_goes_on() {
    let (mut kit, client) = connected();
    let handle = kit.client[client].handle;
    assert_eq!(write(&mut kit, client, b"last"), Ok(4));
    kit.clients.sockets.get_mut::<tcp::Socket>(handle).close();
    assert_eq!(
        answers(&mut kit, client),
        (
            false,
            Err(SocketError::NotNow),
            true,
            Err(SocketError::Closed)
        )
    );
    assert_eq!(SocketError::Closed.kind(), ErrorKind::BrokenPipe);
    kit.drive("the end", SECOND, |kit| kit.is_over(client));
    assert_eq!(
        answers(&mut kit, client),
        (true, Ok(b"last".to_vec()), true, Err(SocketError::Closed))
    );
    assert_eq!(
        answers(&mut kit, client),
        (true, Ok(vec![]), true, Err(SocketError::Closed))
    );
}

#[test]
fn after_a_reset_everything_is_ready_and_fails() {
    let (mut kit, client) = connected();
    assert_eq!(write(&mut kit, client, b"a\n"), Ok(2));
    kit.pass(SECOND);
    // The server's stack loses its state: our next segment is answered with an RST.
    let (handle, _) = kit.server.sockets.iter().next().unwrap();
    let lost = kit.server.sockets.get_mut::<tcp::Socket>(handle);
    lost.abort();
    lost.listen(1).unwrap();
    assert_eq!(write(&mut kit, client, b"b\n"), Ok(2));
    kit.drive("reset", SECOND, |kit| kit.state(client) == State::Closed);
    // What had arrived before it is still there.
    let failed = Err(SocketError::Reset);
    assert_eq!(
        answers(&mut kit, client),
        (true, Ok(b"a\n".to_vec()), true, failed)
    );
    assert_eq!(
        answers(&mut kit, client),
        (true, Err(SocketError::Reset), true, failed)
    );
    assert_eq!(SocketError::Reset.kind(), ErrorKind::ConnectionReset);
}

#[test]
fn a_refused_connection_is_ready_and_fails() {
    let mut kit = Kit::<1>::new(Options::DEFAULT);
    kit.listener.shutdown();
    kit.wake_server();
    let client = kit.connect();
    kit.drive("refused", SECOND, |kit| kit.state(client) == State::Closed);
    let failed = (true, Err(SocketError::Reset), true, Err(SocketError::Reset));
    assert_eq!(answers(&mut kit, client), failed);
}

#[test]
fn empty_slices_and_flush_do_nothing() {
    let (mut kit, client) = connected();
    with(&mut kit, client, |mut socket| {
        assert_eq!(socket.read(&mut []), Ok(0));
        assert_eq!(socket.write(&[]), Ok(0));
        assert_eq!(socket.flush(), Ok(()));
    });
}

#[test]
fn errors_speak_in_words() {
    for (error, text) in [
        (SocketError::NotNow, "the socket is not ready"),
        (SocketError::Closed, "the connection was closed for sending"),
        (SocketError::Reset, "the connection was reset"),
    ] {
        assert_eq!(error.to_string(), text);
    }
}
