//! Drivers for `embedded-io-async`: one task per connection, on embassy, tokio or any executor.
//!
//! Before a driver reads, it flushes what it has written since the last flush. Where `flush` is
//! more than that (embassy-net's waits for the peer's acknowledgement), the caller can choose not
//! to, see [`NoFlush`](crate::transport::NoFlush).
//!
//! A driver drops a call that waits only when a deadline comes, and the session ends. You may drop
//! a driver's future and serve the same session again if the transport loses nothing by a call that
//! is dropped: those of embassy-net and tokio lose nothing; embedded-tls loses half a record, and
//! buffered-io sends again what a flush had sent.

use core::future::{Future, poll_fn};
use core::pin::pin;
use core::task::Poll;
use core::time::Duration;

use embedded_io_async::{ErrorKind, Read, Write};

use crate::transport::kind;
use crate::{Instant, Probe, ProbeError, Reason, Session};

/// Serves a session until it ends, and returns the reason. `clock` tells the time; the future of
/// `sleep_until` is ready at the given instant of that clock, and is only made when the session has
/// a deadline.
///
/// Over a transport that is always ready it yields to the executor after each
/// [`turn_budget`](Session::turn_budget); [`serve_with_budget`] takes another one.
///
/// While it runs it holds the session. To shut a session down, drop the future, call
/// [`shutdown`](Session::shutdown), and serve it again.
///
/// A session without storage can take nothing in, and ends with
/// [`Reason::Failed`]`(`[`ErrorKind::OutOfMemory`]`)`.
///
/// # The end of a connection on embassy-net
///
/// `close` only queues the FIN, `abort` the RST, and a socket that is dropped sends nothing more.
/// So close first, then flush, then drop: that order delivers what was written, and the FIN.
///
/// ```text
/// let clock = || Instant::from_micros(embassy_time::Instant::now().as_micros());
/// let sleep_until = async |at: Instant| {
///     embassy_time::Timer::at(embassy_time::Instant::from_micros(at.as_micros())).await
/// };
/// let io = &mut NoFlush(&mut socket);
/// let reason = asynchronous::serve(&mut session, io, clock, sleep_until).await;
/// if reason.is_orderly() {
///     socket.close();
/// } else {
///     socket.abort();
/// }
/// // A peer that has vanished acknowledges nothing.
/// let _ = with_timeout(Duration::from_secs(10), socket.flush()).await;
/// drop(socket);
/// ```
///
/// After [`Reason::LineTooLong`] and [`Reason::Shutdown`] the peer may still be sending. Read until
/// `Ok(0)` before the drop: what finds no socket any more is answered by an RST, which can destroy
/// echo that the peer has not read yet (RFC 1122, 4.2.2.13).
///
/// `flush` waits for acknowledgements there, so that [`NoFlush`](crate::transport::NoFlush) spares
/// each line a round trip; embassy-net holds nothing back.
pub async fn serve<S, T>(
    session: &mut Session<S>,
    io: &mut T,
    clock: impl FnMut() -> Instant,
    sleep_until: impl AsyncFnMut(Instant),
) -> Reason
where
    S: AsRef<[u8]> + AsMut<[u8]>,
    T: Read + Write,
{
    let budget = session.turn_budget();
    serve_with_budget(session, io, budget, clock, sleep_until).await
}

/// Serves a session as [`serve`] does, but flushes and yields to the executor whenever `budget`
/// bytes have been read. Each call of the transport counts as at least one byte.
pub async fn serve_with_budget<S, T>(
    session: &mut Session<S>,
    io: &mut T,
    budget: usize,
    mut clock: impl FnMut() -> Instant,
    mut sleep_until: impl AsyncFnMut(Instant),
) -> Reason
where
    S: AsRef<[u8]> + AsMut<[u8]>,
    T: Read + Write,
{
    let budget = budget.max(1);
    let mut left = budget;
    loop {
        let deadline = session.tick(clock());
        if let Some(reason) = session.ended() {
            return reason;
        }
        let turn = async {
            if left > 0 {
                step(session, io).await
            } else {
                flush(session, io).await;
                0
            }
        };
        let read = match deadline {
            None => turn.await,
            Some(deadline) => first_of(turn, sleep_until(deadline)).await.unwrap_or(0),
        };
        if left == 0 {
            yield_now().await;
            left = budget;
        } else {
            // A clock behind the timer's, whose deadline comes again and again, spends it, too.
            left = left.saturating_sub(read.max(1));
        }
    }
}

/// Writes once if there is output; else flushes if that is due; else reads once. Returns the number
/// of bytes read.
///
/// It flushes before it knows whether the read would have to wait: to drop a read that waits, and
/// flush then, would lose what the read has taken in, as embedded-tls does with half a record.
async fn step<S, T>(session: &mut Session<S>, io: &mut T) -> usize
where
    S: AsRef<[u8]> + AsMut<[u8]>,
    T: Read + Write,
{
    if !session.output().is_empty() {
        match kind(io.write(session.output()).await) {
            Ok(0) => session.end(Reason::Failed(ErrorKind::WriteZero)),
            Ok(n) => session.written(n),
            Err(ErrorKind::Interrupted) => {}
            Err(kind) => session.end(kind.into()),
        }
        return 0;
    }
    if session.is_unflushed() {
        flush(session, io).await;
        return 0;
    }
    let shutting_down = session.is_shutting_down();
    let input = session.input();
    if input.is_empty() {
        session.end(Reason::Failed(ErrorKind::OutOfMemory));
        return 0;
    }
    let read = match shutting_down {
        true => now(io.read(input)).await,
        false => Some(io.read(input).await),
    };
    match read.map(kind) {
        // It shuts down and nothing more has arrived, or the input has ended.
        Some(Ok(0)) | None => session.end_of_input(),
        Some(Ok(n)) => {
            session.received(n);
            return n;
        }
        Some(Err(ErrorKind::Interrupted)) => {}
        Some(Err(kind)) => session.read_failed(kind),
    }
    0
}

/// Flushes if that is due.
async fn flush<S, T>(session: &mut Session<S>, io: &mut T)
where
    S: AsRef<[u8]> + AsMut<[u8]>,
    T: Write,
{
    if session.is_unflushed() {
        match kind(io.flush().await) {
            Ok(()) => session.flushed(),
            Err(ErrorKind::Interrupted) => {}
            Err(kind) => session.end(kind.into()),
        }
    }
}

/// Sends everything that is queued in a probe, and flushes it. `clock` tells the time.
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
    loop {
        let result = if !probe.output().is_empty() {
            match kind(io.write(probe.output()).await) {
                Ok(0) => Err(ErrorKind::WriteZero),
                result => result.map(|n| probe.written(n, clock())),
            }
        } else if probe.is_unflushed() {
            kind(io.flush().await).map(|()| probe.flushed())
        } else {
            return Ok(());
        };
        unless_interrupted(result).await?;
    }
}

/// Reads, in pieces of `scratch`, until everything that was sent has come back. Calls `on_line`
/// with the round-trip time of each line.
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
        match kind(io.read(scratch).await) {
            Ok(0) => return probe.end_of_input(),
            Ok(n) => probe.check(scratch.get(..n).unwrap_or_default(), clock(), &mut on_line)?,
            Err(kind) => unless_interrupted(Err(kind)).await?,
        }
    }
    Ok(())
}

/// Yields after an interruption, so that the caller calls again; passes any other error on.
async fn unless_interrupted(result: Result<(), ErrorKind>) -> Result<(), ProbeError> {
    match result {
        Err(ErrorKind::Interrupted) => {
            yield_now().await;
            Ok(())
        }
        result => Ok(result?),
    }
}

/// Returns the result of a future, or `None` when the deadline comes first, which drops the future.
async fn first_of<T>(
    future: impl Future<Output = T>,
    deadline: impl Future<Output = ()>,
) -> Option<T> {
    let (mut future, mut deadline) = (pin!(future), pin!(deadline));
    poll_fn(|context| match future.as_mut().poll(context) {
        Poll::Ready(result) => Poll::Ready(Some(result)),
        Poll::Pending => deadline.as_mut().poll(context).map(|()| None),
    })
    .await
}

/// Returns the result of a read if it is there now; drops the read if it would have to wait.
async fn now<T>(read: impl Future<Output = T>) -> Option<T> {
    let mut read = pin!(read);
    poll_fn(|context| match read.as_mut().poll(context) {
        Poll::Ready(result) => Poll::Ready(Some(result)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

/// Lets the executor run what else is ready.
async fn yield_now() {
    let mut yielded = false;
    poll_fn(|context| {
        if yielded {
            return Poll::Ready(());
        }
        yielded = true;
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
