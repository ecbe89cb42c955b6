//! Drivers that never block, for transports that can say whether they are ready.
//!
//! They ask [`ReadReady`] and [`WriteReady`] before each call, and do bounded work, so that one
//! loop can serve many connections. A transport whose readiness may be out of date reports
//! [`ErrorKind::Interrupted`] instead of blocking, and is asked again.
//!
//! At the end of a turn a driver flushes what it has written since the last flush. A flush that
//! cannot finish now reports `Interrupted`, too, and is called again when the transport is ready to
//! write.
//! Over a transport whose `flush` blocks, wrap it in [`NoFlush`](crate::transport::NoFlush), and
//! flush it where blocking does no harm.

use core::time::Duration;

use embedded_io::{Error, ErrorKind, Read, ReadReady, Write, WriteReady};

use crate::transport::kind;
use crate::{Instant, Probe, ProbeError, Reason, Session};

/// The wish of a polled session after its turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Turn {
    /// Its budget ran out before its work: call again, after the others had their turn.
    Again,
    /// Call again when the transport is ready, or at the deadline.
    Wait {
        /// Wants to read. Not while its buffer is full, so that TCP slows the peer down.
        read: bool,
        /// Wants to write or to flush.
        write: bool,
        /// The deadline, if there is one.
        until: Option<Instant>,
    },
    /// It has ended; close the connection.
    Ended(Reason),
}

/// Gives a session a turn: writes what is ready, takes in what has arrived, and so on until neither
/// can go on or `budget` bytes have been read; then flushes, and tells it the time.
///
/// It never reads into an empty slice. A `write` that takes nothing is a transport that is not
/// ready. [`Session::turn_budget`] is a good budget.
pub fn serve<S, T>(session: &mut Session<S>, io: &mut T, now: Instant, budget: usize) -> Turn
where
    S: AsRef<[u8]> + AsMut<[u8]>,
    T: Read + Write + ReadReady + WriteReady,
{
    let stop = transfer(session, io, budget).unwrap_or_else(|kind| {
        session.end(kind.into());
        Stop::Full
    });
    let until = session.tick(now);
    if let Some(reason) = session.ended() {
        return Turn::Ended(reason);
    }
    match stop {
        Stop::Budget => Turn::Again,
        Stop::Full | Stop::Drained => Turn::Wait {
            read: stop == Stop::Drained,
            write: session.is_writing(),
            until,
        },
    }
}

/// The end of a turn.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stop {
    /// The budget is used up.
    Budget,
    /// The session takes no input now.
    Full,
    /// Nothing more has arrived.
    Drained,
}

/// Moves bytes both ways until nothing more can be done now, or `budget` bytes have been read; then
/// flushes. Fails when writing does.
///
/// An interrupted call spends one byte of the budget, so that a transport which is always
/// interrupted cannot stall the loop.
fn transfer<S, T>(session: &mut Session<S>, io: &mut T, budget: usize) -> Result<Stop, ErrorKind>
where
    S: AsRef<[u8]> + AsMut<[u8]>,
    T: Read + Write + ReadReady + WriteReady,
{
    let mut left = budget;
    let stop = 'turn: loop {
        while !session.output().is_empty() && kind(io.write_ready())? {
            match kind(io.write(session.output())) {
                Ok(0) => break,
                Ok(n) => session.written(n),
                Err(ErrorKind::Interrupted) if left == 0 => break 'turn Stop::Budget,
                Err(ErrorKind::Interrupted) => left = left.saturating_sub(1),
                Err(kind) => return Err(kind),
            }
        }
        let input = session.input();
        if input.is_empty() {
            break Stop::Full;
        }
        match io.read_ready() {
            Ok(true) => {}
            Ok(false) if session.is_shutting_down() => {
                session.end_of_input();
                continue;
            }
            Ok(false) => break Stop::Drained,
            Err(error) => {
                session.read_failed(error.kind());
                continue;
            }
        }
        if left == 0 {
            break Stop::Budget;
        }
        let room = input.len().min(left);
        match kind(io.read(input.get_mut(..room).unwrap_or_default())) {
            Ok(0) => session.end_of_input(),
            Ok(n) => {
                session.received(n);
                left = left.saturating_sub(n);
            }
            Err(ErrorKind::Interrupted) => left = left.saturating_sub(1),
            Err(kind) => session.read_failed(kind),
        }
    };
    if session.is_unflushed() {
        match kind(io.flush()) {
            Ok(()) => session.flushed(),
            Err(ErrorKind::Interrupted) => {}
            Err(kind) => return Err(kind),
        }
    }
    Ok(stop)
}

/// The wish of a polled probe after its turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum ProbeTurn {
    /// Its budget ran out before its work: call again, after the others had their turn.
    Again,
    /// Call again when the transport is ready to read, or also to write if there is `write`.
    Wait {
        /// Not everything has been sent or flushed.
        write: bool,
    },
    /// Everything that was queued has come back.
    Done,
}

/// Gives a probe a turn: sends what is queued and checks what came back, until neither can go on or
/// about `budget` bytes have been read, in pieces of `scratch`; then flushes. Calls `on_line` with
/// the round-trip time of each line.
///
/// When the last line lacks its `\n`, it comes back only after the connection's sending side has
/// been shut down: do that when everything has been sent.
///
/// # Errors
///
/// [`ProbeError`] as soon as something is wrong; the connection is of no more use then.
pub fn exchange<S, T, const WINDOW: usize>(
    probe: &mut Probe<S, WINDOW>,
    io: &mut T,
    scratch: &mut [u8],
    now: Instant,
    budget: usize,
    mut on_line: impl FnMut(Duration),
) -> Result<ProbeTurn, ProbeError>
where
    S: AsRef<[u8]> + AsMut<[u8]>,
    T: Read + Write + ReadReady + WriteReady,
{
    let mut left = budget;
    let again = 'turn: loop {
        while !probe.output().is_empty() && kind(io.write_ready())? {
            match kind(io.write(probe.output())) {
                Ok(0) => break,
                Ok(n) => probe.written(n, now),
                Err(ErrorKind::Interrupted) if left == 0 => break 'turn true,
                Err(ErrorKind::Interrupted) => left = left.saturating_sub(1),
                Err(kind) => return Err(kind.into()),
            }
        }
        if probe.is_done() {
            return Ok(ProbeTurn::Done);
        }
        if scratch.is_empty() || !kind(io.read_ready())? {
            break false;
        }
        if left == 0 {
            break true;
        }
        match kind(io.read(scratch)) {
            Ok(0) => probe.end_of_input()?,
            Ok(n) => {
                probe.check(scratch.get(..n).unwrap_or_default(), now, &mut on_line)?;
                left = left.saturating_sub(n);
            }
            Err(ErrorKind::Interrupted) => left = left.saturating_sub(1),
            Err(kind) => return Err(kind.into()),
        }
    };
    if probe.is_unflushed() {
        match kind(io.flush()) {
            Ok(()) => probe.flushed(),
            Err(ErrorKind::Interrupted) => {}
            Err(kind) => return Err(kind.into()),
        }
    }
    if again {
        return Ok(ProbeTurn::Again);
    }
    Ok(ProbeTurn::Wait {
        write: !probe.output().is_empty() || probe.is_unflushed(),
    })
}
