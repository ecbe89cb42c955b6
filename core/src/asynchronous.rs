//! Drivers for `embedded-io-async`: one task per connection, on embassy, tokio or any executor.
//!
//! They never read into an empty slice and never flush; a transport that holds back what was
//! written must be flushed before it is closed.

use core::future::{Future, poll_fn};
use core::pin::pin;
use core::task::Poll;
use core::time::Duration;

use embedded_io_async::{Error, ErrorKind, Read, Write};

use crate::{Instant, Probe, ProbeError, Reason, Session};

/// Serves a session until it ends, and says why it did. `clock` tells the time; the future of
/// `sleep_until` is ready at the given instant of that clock, and is only made when the session has
/// a deadline.
///
/// When a deadline comes, the pending read or write is dropped. Reads and writes of embassy-net and
/// tokio lose nothing then; nor does the session, which has ended.
///
/// A session without storage can take nothing in, and ends with
/// [`Reason::Reset`]`(`[`ErrorKind::OutOfMemory`]`)`.
///
/// With embassy:
///
/// ```text
/// let clock = || Instant::from_micros(embassy_time::Instant::now().as_micros());
/// let sleep_until = async |at: Instant| {
///     embassy_time::Timer::at(embassy_time::Instant::from_micros(at.as_micros())).await
/// };
/// let reason = asynchronous::serve(&mut session, &mut socket, clock, sleep_until).await;
/// socket.close();
/// ```
pub async fn serve<S, T>(
    session: &mut Session<S>,
    io: &mut T,
    mut clock: impl FnMut() -> Instant,
    mut sleep_until: impl AsyncFnMut(Instant),
) -> Reason
where
    S: AsRef<[u8]> + AsMut<[u8]>,
    T: Read + Write,
{
    loop {
        let deadline = session.tick(clock());
        if let Some(reason) = session.ended() {
            return reason;
        }
        match deadline {
            None => step(session, io).await,
            Some(deadline) => first_of(step(session, io), sleep_until(deadline)).await,
        }
    }
}

/// Writes once if there is output, reads once if there is none. A failure ends the session.
async fn step<S, T>(session: &mut Session<S>, io: &mut T)
where
    S: AsRef<[u8]> + AsMut<[u8]>,
    T: Read + Write,
{
    let result = if session.output().is_empty() {
        take_in(session, io).await
    } else {
        write(io, session.output()).await.map(|n| session.sent(n))
    };
    if let Err(kind) = result {
        session.end(Reason::Reset(kind));
    }
}

async fn take_in<S, T>(session: &mut Session<S>, io: &mut T) -> Result<(), ErrorKind>
where
    S: AsRef<[u8]> + AsMut<[u8]>,
    T: Read,
{
    let shutting_down = session.is_shutting_down();
    let input = session.input();
    if input.is_empty() {
        return Err(ErrorKind::OutOfMemory);
    }
    // When the session is to finish, a read that has nothing yet is the end of input.
    let read = if shutting_down {
        now_or_end(read(io, input)).await
    } else {
        read(io, input).await
    };
    match read? {
        0 => session.end_of_input(),
        n => session.received(n),
    }
    Ok(())
}

/// Sends everything that is queued in a probe. `clock` tells the time.
///
/// The peer gives back while we send: queue no more at a time than it and the transport can hold,
/// one line to be sure, or both sides wait for each other.
///
/// # Errors
///
/// [`ProbeError::Io`] when writing fails.
pub async fn send<S, T, const WINDOW: usize>(
    probe: &mut Probe<S, WINDOW>,
    io: &mut T,
    mut clock: impl FnMut() -> Instant,
) -> Result<(), ProbeError>
where
    S: AsRef<[u8]> + AsMut<[u8]>,
    T: Write,
{
    while !probe.output().is_empty() {
        let n = write(io, probe.output()).await.map_err(ProbeError::Io)?;
        probe.sent(n, clock());
    }
    Ok(())
}

/// Reads, in pieces of `scratch`, until everything that was sent has come back. Calls `on_line` with
/// the round-trip time of each line.
///
/// When the last line lacks its `\n`, it comes back only after the connection's sending side has
/// been shut down: do that first.
///
/// # Errors
///
/// [`ProbeError`] as soon as something is wrong; the connection is of no more use then. An empty
/// `scratch` is [`ProbeError::Io`]`(`[`ErrorKind::InvalidInput`]`)`.
pub async fn receive<S, T, const WINDOW: usize>(
    probe: &mut Probe<S, WINDOW>,
    io: &mut T,
    scratch: &mut [u8],
    mut clock: impl FnMut() -> Instant,
    mut on_line: impl FnMut(Duration),
) -> Result<(), ProbeError>
where
    S: AsRef<[u8]> + AsMut<[u8]>,
    T: Read,
{
    if scratch.is_empty() {
        return Err(ProbeError::Io(ErrorKind::InvalidInput));
    }
    while !probe.is_done() {
        match read(io, scratch).await.map_err(ProbeError::Io)? {
            0 => return probe.end_of_input(),
            n => probe.check(scratch.get(..n).unwrap_or_default(), clock(), &mut on_line)?,
        }
    }
    Ok(())
}

async fn read<T: Read>(io: &mut T, buffer: &mut [u8]) -> Result<usize, ErrorKind> {
    loop {
        match io.read(buffer).await.map_err(|error| error.kind()) {
            Err(ErrorKind::Interrupted) => {}
            result => return result,
        }
    }
}

/// Writes at least one byte: `Ok(0)` for bytes that were there to write is a transport that will
/// never take them.
async fn write<T: Write>(io: &mut T, bytes: &[u8]) -> Result<usize, ErrorKind> {
    loop {
        match io.write(bytes).await.map_err(|error| error.kind()) {
            Err(ErrorKind::Interrupted) => {}
            Ok(0) => return Err(ErrorKind::WriteZero),
            result => return result,
        }
    }
}

/// Waits for either; the other is dropped.
async fn first_of(one: impl Future<Output = ()>, other: impl Future<Output = ()>) {
    let (mut one, mut other) = (pin!(one), pin!(other));
    poll_fn(|context| {
        if one.as_mut().poll(context).is_ready() {
            return Poll::Ready(());
        }
        other.as_mut().poll(context)
    })
    .await;
}

/// What a read has now; the end of input (0) if it would have to wait.
async fn now_or_end(
    read: impl Future<Output = Result<usize, ErrorKind>>,
) -> Result<usize, ErrorKind> {
    let mut read = pin!(read);
    poll_fn(|context| match read.as_mut().poll(context) {
        Poll::Ready(result) => Poll::Ready(result),
        Poll::Pending => Poll::Ready(Ok(0)),
    })
    .await
}
