//! The polled driver: gets a turn when that for which it waits has come, and at no other time.

use linecho_core::embedded_io::{ErrorKind, ErrorType, Read, ReadReady, Write, WriteReady};
use linecho_core::polled::{Turn, serve};
use linecho_core::{Config, Instant, Session};
use linecho_trials::Stop;

use super::pipe::Shared;
use super::{Ended, Served, session};

/// The most bytes that a turn reads.
const BUDGET: usize = 100;

pub(super) struct Polled {
    session: Session<Box<[u8]>>,
    io: End,
    waits: Turn,
}

impl Polled {
    pub(super) fn new(pipe: Shared, buffer: usize, config: Config, now: Instant) -> Self {
        Self {
            session: session(buffer, config, now),
            io: End(pipe),
            waits: Turn::Again,
        }
    }
}

impl Served for Polled {
    fn turn(&mut self, now: Instant) -> Result<Option<Ended>, Stop> {
        if let Turn::Wait { read, write, until } = self.waits {
            let pipe = self.io.0.lock();
            let ready = (read && pipe.can_read()) || (write && pipe.can_write());
            if !ready && until.is_none_or(|until| now < until) {
                return Ok(None);
            }
        }
        self.waits = serve(&mut self.session, &mut self.io, now, BUDGET);
        Ok(match self.waits {
            Turn::Ended(reason) => Some((reason, self.session.counters())),
            Turn::Again | Turn::Wait { .. } => None,
        })
    }

    fn shut_down(&mut self) -> Result<(), Stop> {
        self.session.shutdown();
        self.waits = Turn::Again;
        Ok(())
    }
}

/// The server's end of a pipe. A driver that calls without having asked for readiness fails the
/// test.
struct End(Shared);

impl ErrorType for End {
    type Error = ErrorKind;
}

impl Read for End {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, ErrorKind> {
        self.0
            .lock()
            .try_read(buffer)
            .expect("read without readiness")
    }
}

impl Write for End {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, ErrorKind> {
        self.0
            .lock()
            .try_write(bytes)
            .expect("write without readiness")
    }

    fn flush(&mut self) -> Result<(), ErrorKind> {
        self.0.lock().flush()
    }
}

impl ReadReady for End {
    fn read_ready(&mut self) -> Result<bool, ErrorKind> {
        let mut pipe = self.0.lock();
        Ok(pipe.can_read() || pipe.stale_readiness())
    }
}

impl WriteReady for End {
    fn write_ready(&mut self) -> Result<bool, ErrorKind> {
        let mut pipe = self.0.lock();
        Ok(pipe.can_write() || pipe.stale_readiness())
    }
}
