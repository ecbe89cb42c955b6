//! Drivers that never block, for transports that can say whether they are ready.
//!
//! They ask [`ReadReady`] and [`WriteReady`] before each call, and do bounded work, so that one loop
//! can serve many connections. A transport whose readiness may be out of date reports
//! [`ErrorKind::Interrupted`] instead of blocking, and is asked again.

use core::time::Duration;

use embedded_io::{Error, ErrorKind, Read, ReadReady, Write, WriteReady};

use crate::{Instant, Probe, ProbeError, Reason, Session};

/// What a polled session wants after its turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Turn {
    /// Its budget ran out before its work: call again, after the others had their turn.
    Again,
    /// Call again when the transport is ready, or at the deadline.
    Wait {
        /// Wants to read. Not while its buffer is full, so that TCP slows the peer down.
        read: bool,
        /// Wants to write.
        write: bool,
        /// The deadline, if there is one.
        until: Option<Instant>,
    },
    /// It has ended; close the connection.
    Ended(Reason),
}

/// Gives a session a turn: writes what is ready, takes in what has arrived, and so on until neither
/// can go on or `budget` bytes have been read; then tells it the time.
///
/// It never reads into an empty slice, and never flushes. A `write` that takes nothing is a
/// transport that is not ready.
pub fn serve<S, T>(session: &mut Session<S>, io: &mut T, now: Instant, budget: usize) -> Turn
where
    S: AsRef<[u8]> + AsMut<[u8]>,
    T: Read + Write + ReadReady + WriteReady,
{
    let stop = transfer(session, io, budget).unwrap_or_else(|error| {
        session.end(Reason::Reset(error.kind()));
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
            write: !session.output().is_empty(),
            until,
        },
    }
}

/// Why a turn came to its end.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stop {
    /// The budget is used up.
    Budget,
    /// The session takes no input now.
    Full,
    /// Nothing more has arrived.
    Drained,
}

/// Moves bytes both ways until nothing more can be done now, or `budget` bytes have been read. An
/// interrupted call costs as much as a byte, so that a transport that always is cannot hold us.
fn transfer<S, T>(session: &mut Session<S>, io: &mut T, budget: usize) -> Result<Stop, T::Error>
where
    S: AsRef<[u8]> + AsMut<[u8]>,
    T: Read + Write + ReadReady + WriteReady,
{
    let mut left = budget;
    loop {
        while !session.output().is_empty() && io.write_ready()? {
            match io.write(session.output()) {
                Ok(0) => break,
                Ok(n) => session.sent(n),
                Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error),
                Err(_) if left == 0 => return Ok(Stop::Budget),
                Err(_) => left = left.saturating_sub(1),
            }
        }
        let input = session.input();
        if input.is_empty() {
            return Ok(Stop::Full);
        }
        if !io.read_ready()? {
            if !session.is_shutting_down() {
                return Ok(Stop::Drained);
            }
            session.end_of_input();
            continue;
        }
        if left == 0 {
            return Ok(Stop::Budget);
        }
        let room = input.len().min(left);
        let input = input.get_mut(..room).unwrap_or_default();
        let cost = match io.read(input) {
            Ok(0) => {
                session.end_of_input();
                0
            }
            Ok(n) => {
                session.received(n);
                n
            }
            Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error),
            Err(_) => 1,
        };
        left = left.saturating_sub(cost);
    }
}

/// What a polled probe wants after its turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum ProbeTurn {
    /// Its budget ran out before its work: call again, after the others had their turn.
    Again,
    /// Call again when the transport is ready to read, or also to write if there is `write`.
    Wait {
        /// Not everything has been sent.
        write: bool,
    },
    /// Everything that was queued has come back.
    Done,
}

/// Gives a probe a turn: sends what is queued and checks what came back, until neither can go on or
/// about `budget` bytes have been read, in pieces of `scratch`. Calls `on_line` with the round-trip
/// time of each line.
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
    let io_failed = |error: T::Error| ProbeError::Io(error.kind());
    let mut left = budget;
    loop {
        while !probe.output().is_empty() && io.write_ready().map_err(io_failed)? {
            match not_interrupted(io.write(probe.output())).map_err(io_failed)? {
                Some(0) => break,
                Some(n) => probe.sent(n, now),
                None if left == 0 => return Ok(ProbeTurn::Again),
                None => left = left.saturating_sub(1),
            }
        }
        if probe.is_done() {
            return Ok(ProbeTurn::Done);
        }
        if scratch.is_empty() || !io.read_ready().map_err(io_failed)? {
            return Ok(ProbeTurn::Wait {
                write: !probe.output().is_empty(),
            });
        }
        if left == 0 {
            return Ok(ProbeTurn::Again);
        }
        match not_interrupted(io.read(scratch)).map_err(io_failed)? {
            Some(0) => {
                probe.end_of_input()?;
                return Ok(ProbeTurn::Done);
            }
            Some(n) => {
                probe.check(scratch.get(..n).unwrap_or_default(), now, &mut on_line)?;
                left = left.saturating_sub(n);
            }
            None => left = left.saturating_sub(1),
        }
    }
}

/// How many bytes a call moved; `None` if it was interrupted.
fn not_interrupted<E: Error>(result: Result<usize, E>) -> Result<Option<usize>, E> {
    match result {
        Ok(n) => Ok(Some(n)),
        Err(error) if error.kind() == ErrorKind::Interrupted => Ok(None),
        Err(error) => Err(error),
    }
}
