//! Drivers for transports that block: one connection per thread, or a board that does nothing else.
//!
//! While a call blocks nobody can look at the clock, so these drivers know no deadlines: set the
//! transport's own timeouts, whose error ends the session.
//!
//! Before a driver waits for input, it flushes what it has written since the last flush; the caller
//! can choose not to, see [`NoFlush`](crate::transport::NoFlush). They never read into an empty
//! slice.

use core::num::NonZeroUsize;
use core::time::Duration;

use embedded_io::{Error, ErrorKind, Read, Write};

use crate::transport::kind;
use crate::{Instant, Probe, ProbeError, Reason, Session};

/// Serves a session until it ends, and returns the reason.
///
/// A session without storage can take nothing in, and ends with
/// [`Reason::Failed`]`(`[`ErrorKind::OutOfMemory`]`)`.
pub fn serve<S, T>(session: &mut Session<S>, io: &mut T) -> Reason
where
    S: AsRef<[u8]> + AsMut<[u8]>,
    T: Read + Write,
{
    let mut done = flush(session, io);
    loop {
        if let Err(kind) = done {
            session.end(kind.into());
        }
        if let Some(reason) = session.ended() {
            return reason;
        }
        done = if session.output().is_empty() {
            let input = session.input();
            if input.is_empty() {
                let reason = Reason::Failed(ErrorKind::OutOfMemory);
                session.end(reason);
                return reason;
            }
            not_interrupted(|| io.read(input)).map(|n| match n {
                0 => session.end_of_input(),
                n => session.received(n),
            })
        } else {
            write(io, session.output()).and_then(|n| {
                session.written(n.get());
                flush(session, io)
            })
        };
    }
}

/// Flushes if that is due: when all output has been written.
fn flush<S, T>(session: &mut Session<S>, io: &mut T) -> Result<(), ErrorKind>
where
    S: AsRef<[u8]> + AsMut<[u8]>,
    T: Write,
{
    if session.output().is_empty() && session.is_unflushed() {
        not_interrupted(|| io.flush())?;
        session.flushed();
    }
    Ok(())
}

/// Sends everything that is queued in a probe, and flushes it. `clock` tells the time.
///
/// The peer gives back while we send: queue no more at a time than it and the transport can hold,
/// one line to be sure, or both sides wait for each other.
///
/// # Errors
///
/// [`ProbeError::Io`] when writing fails.
pub fn send<S, T, const WINDOW: usize>(
    probe: &mut Probe<S, WINDOW>,
    io: &mut T,
    mut clock: impl FnMut() -> Instant,
) -> Result<(), ProbeError>
where
    S: AsRef<[u8]> + AsMut<[u8]>,
    T: Write,
{
    while !probe.output().is_empty() {
        let n = write(io, probe.output())?;
        probe.written(n.get(), clock());
    }
    if probe.is_unflushed() {
        not_interrupted(|| io.flush())?;
        probe.flushed();
    }
    Ok(())
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
pub fn receive<S, T, const WINDOW: usize>(
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
        match not_interrupted(|| io.read(scratch))? {
            0 => return probe.end_of_input(),
            n => probe.check(scratch.get(..n).unwrap_or_default(), clock(), &mut on_line)?,
        }
    }
    Ok(())
}

/// Writes at least one byte: `Ok(0)` for bytes that were there to write is a transport that will
/// never take them.
fn write<T: Write>(io: &mut T, bytes: &[u8]) -> Result<NonZeroUsize, ErrorKind> {
    NonZeroUsize::new(not_interrupted(|| io.write(bytes))?).ok_or(ErrorKind::WriteZero)
}

/// Calls until it is not interrupted.
fn not_interrupted<T, E: Error>(mut call: impl FnMut() -> Result<T, E>) -> Result<T, ErrorKind> {
    loop {
        match kind(call()) {
            Err(ErrorKind::Interrupted) => {}
            result => return result,
        }
    }
}
