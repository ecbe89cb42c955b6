//! The end of a connection on embassy-net: the peer gets everything, and then the FIN.

#![cfg(target_os = "linux")]

use std::time::Duration;

use embassy_net::tcp::{Error, State, TcpSocket};
use linecho_core::{Config, Instant, LongLines, Reason, Session};
use linecho_embassy::serve;
use tokio::task::{LocalSet, spawn_local};
use tokio::time::timeout;

#[path = "common/two_stacks.rs"]
mod two_stacks;

use two_stacks::{ADDRESSES, two_stacks};

const LIMIT: Duration = Duration::from_secs(100);

#[test]
fn after_the_half_close_of_the_peer() {
    on_two_stacks(async |server, mut client| {
        let mut line = [0; 16];
        let session = session(&mut line, LongLines::Flush);
        let peer = async {
            write(&mut client, b"one\ntail").await;
            client.close();
            assert_eq!(read_to_end(&mut client).await, Ok(b"one\ntail".to_vec()));
        };
        let (reason, ()) = tokio::join!(serve_and_drop(session, server), peer);
        assert_eq!(reason, Reason::PeerClosed);
    });
}

#[test]
fn after_a_line_that_is_too_long() {
    on_two_stacks(async |server, mut client| {
        let mut line = [0; 16];
        let session = session(&mut line, LongLines::Close);
        let peer = async {
            write(&mut client, b"one\ntail\n").await;
            // More than the session reads: what is left must not reset the connection.
            write(&mut client, &[b'x'; 1000]).await;
            assert_eq!(read_to_end(&mut client).await, Ok(b"one\ntail\n".to_vec()));
            client.close();
        };
        let (reason, ()) = tokio::join!(serve_and_drop(session, server), peer);
        assert_eq!(reason, Reason::LineTooLong);
    });
}

#[test]
fn after_a_shutdown() {
    on_two_stacks(async |mut server, mut client| {
        let mut line = [0; 16];
        let mut session = session(&mut line, LongLines::Flush);
        let stopped = async {
            write(&mut client, b"one\ntail").await;
            let mut one = [0; 4];
            embedded_io_async::Read::read_exact(&mut client, &mut one)
                .await
                .unwrap();
            assert_eq!(&one, b"one\n");
        };
        tokio::select! {
            reason = serve(&mut session, &mut server) => panic!("{reason}"),
            () = stopped => {}
        }
        session.shutdown();
        let peer = async {
            assert_eq!(read_to_end(&mut client).await, Ok(b"tail".to_vec()));
            client.close();
        };
        let (reason, ()) = tokio::join!(serve_and_drop(session, server), peer);
        assert_eq!(reason, Reason::Shutdown);
    });
}

#[test]
fn after_a_deadline_the_peer_is_reset() {
    on_two_stacks(async |mut server, mut client| {
        let mut line = [0; 16];
        let config = Config::new().idle_timeout(Some(Duration::from_millis(1)));
        let mut session = Session::new(&mut line[..], config, Instant::ZERO);
        let serving = async {
            let reason = serve(&mut session, &mut server).await;
            assert_eq!(reason, Reason::Idle);
            // As the documentation of `asynchronous::serve` says.
            server.abort();
            server.flush().await.unwrap();
            drop(server);
        };
        let ((), read) = tokio::join!(serving, read_to_end(&mut client));
        assert_eq!(read, Err(Error::ConnectionReset));
    });
}

/// Drops the socket as soon as it may be: what has not left then never does.
async fn serve_and_drop(mut session: Session<&mut [u8]>, mut socket: TcpSocket<'_>) -> Reason {
    let reason = serve(&mut session, &mut socket).await;
    assert!(matches!(socket.state(), State::Closed | State::TimeWait));
    reason
}

/// Connects two sockets, and runs the stacks until `test` is done.
fn on_two_stacks(test: impl AsyncFnOnce(TcpSocket<'static>, TcpSocket<'static>)) {
    const PORT: u16 = 7;
    let test = async {
        let [mut server, mut client] = two_stacks().map(|(stack, mut runner)| {
            spawn_local(async move { runner.run().await });
            let buffer = || Box::leak(Box::new([0; 2048]));
            TcpSocket::new(stack, buffer(), buffer())
        });
        let (accepted, connected) =
            tokio::join!(server.accept(PORT), client.connect((ADDRESSES[0], PORT)));
        accepted.unwrap();
        connected.unwrap();
        test(server, client).await;
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    let done = LocalSet::new().block_on(&runtime, async { timeout(LIMIT, test).await });
    done.expect("done in time");
}

fn session(line: &mut [u8], long_lines: LongLines) -> Session<&mut [u8]> {
    Session::new(line, Config::new().long_lines(long_lines), Instant::ZERO)
}

async fn write(socket: &mut TcpSocket<'_>, bytes: &[u8]) {
    embedded_io_async::Write::write_all(socket, bytes)
        .await
        .unwrap();
}

/// Reads what comes before the FIN. A reset is an error.
async fn read_to_end(socket: &mut TcpSocket<'_>) -> Result<Vec<u8>, Error> {
    let (mut bytes, mut buffer) = (Vec::new(), [0; 100]);
    loop {
        match socket.read(&mut buffer).await? {
            0 => return Ok(bytes),
            n => bytes.extend_from_slice(&buffer[..n]),
        }
    }
}
