//! The line echo on embassy-net: one task for each connection that is to be served at a time.
//!
//! Copy this file into a firmware that has an embassy-net [`Stack`], and spawn [`echo`] as often as
//! `CONNECTIONS` says. embassy-net has no backlog: while all tasks are busy, a client is refused.
#![no_std]

use embassy_net::tcp::{Error, State, TcpSocket};
use embassy_net::{IpEndpoint, Stack};
use embassy_time::{Duration, Timer, with_timeout};
use linecho_core::transport::NoFlush;
use linecho_core::{Config, Counters, Instant, Reason, Session, asynchronous};

/// Connections at a time. Each costs its buffers below, and what `TcpSocket` and `Session` have
/// beside them. The stack needs as many sockets (`StackResources`), and one for each other use.
pub const CONNECTIONS: usize = 4;

/// The echo port (RFC 862).
pub const PORT: u16 = 7;

const RX_BYTES: usize = 2048;
const TX_BYTES: usize = 2048;
/// The longest line that is echoed in one piece, newline included.
const LINE_BYTES: usize = 256;

const SESSION: Config = Config::new()
    .idle_timeout(Some(core::time::Duration::from_secs(300)))
    .write_timeout(Some(core::time::Duration::from_secs(30)));

/// The longest that a peer may take to receive what was sent, and to close its side.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(10);
/// The longest that an RST may take to leave.
const RESET_TIMEOUT: Duration = Duration::from_secs(1);

/// Serves one connection after another, for ever, and tells `log` of each that ended.
#[embassy_executor::task(pool_size = CONNECTIONS)]
pub async fn echo(stack: Stack<'static>, log: fn(Option<IpEndpoint>, Reason, Counters)) -> ! {
    let (mut rx, mut tx, mut line) = ([0; RX_BYTES], [0; TX_BYTES], [0; LINE_BYTES]);
    let mut socket = TcpSocket::new(stack, &mut rx, &mut tx);
    // Nagle's algorithm would hold a short line back until the peer's delayed acknowledgement.
    socket.set_nagle_enabled(false);
    // Its keep-alive and timeout stay off: the session's deadlines end a connection whose peer has
    // vanished. smoltcp's keep-alive probe carries a NUL in the place of the last byte sent, and a
    // peer to which that byte has not come could take the NUL for it.
    loop {
        // It fails only for a port 0 or a socket that is in use, and this one has been closed.
        if socket.accept(PORT).await.is_ok() {
            let peer = socket.remote_endpoint();
            let mut session = Session::new(&mut line[..], SESSION, now());
            let reason = serve(&mut session, &mut socket).await;
            log(peer, reason, session.counters());
        }
        reset(&mut socket).await;
    }
}

/// Serves a session on a connection until it ends, and closes our side of the connection.
pub async fn serve(session: &mut Session<&mut [u8]>, socket: &mut TcpSocket<'_>) -> Reason {
    // embassy-net sends by itself. Its `flush` waits until the peer has acknowledged everything.
    let io = &mut NoFlush(&mut *socket);
    let reason = asynchronous::serve(session, io, now, sleep_until).await;
    if reason.is_orderly() {
        let _ = with_timeout(CLOSE_TIMEOUT, finish(socket)).await;
    }
    reason
}

/// Closes in order: what was sent is delivered, and the peer closes its side, too.
async fn finish(socket: &mut TcpSocket<'_>) -> Result<(), Error> {
    // `close` only queues the FIN; the flush after it sends what is queued, the FIN as well.
    socket.close();
    socket.flush().await?;
    // What still comes is not wanted, but leaving it unread would reset the connection, and the
    // peer could lose what it has not yet received.
    while socket.read(&mut [0; 64]).await? > 0 {}
    Ok(())
}

/// Gives up whatever is left of a connection, so that the socket can accept the next one.
async fn reset(socket: &mut TcpSocket<'_>) {
    if !matches!(socket.state(), State::Closed | State::TimeWait) {
        socket.abort();
    }
    // The RST has to leave before the socket listens again.
    let _ = with_timeout(RESET_TIMEOUT, socket.flush()).await;
}

fn now() -> Instant {
    Instant::from_micros(embassy_time::Instant::now().as_micros())
}

async fn sleep_until(at: Instant) {
    Timer::at(embassy_time::Instant::from_micros(at.as_micros())).await;
}
