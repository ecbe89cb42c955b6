//! The blocking driver in a thread of its own, which runs only while the test stands still: each
//! run is the same.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use linecho_core::blocking::serve;
use linecho_core::embedded_io::{ErrorKind, ErrorType, Read, Write};
use linecho_core::{Config, Instant};
use linecho_trials::Stop;

use super::pipe::Shared;
use super::{Ended, Served, session};

/// The longest that a turn of the server takes.
const LIMIT: Duration = Duration::from_secs(60);

pub(super) struct Blocking {
    pipe: Shared,
    baton: Arc<Baton>,
    thread: Option<JoinHandle<Ended>>,
}

impl Blocking {
    pub(super) fn new(pipe: Shared, buffer: usize, config: Config, now: Instant) -> Self {
        let baton = Arc::new(Baton::default());
        let mut io = End {
            pipe: pipe.clone(),
            baton: Arc::clone(&baton),
        };
        let thread = std::thread::spawn(move || {
            io.baton.wait();
            let mut session = session(buffer, config, now);
            (serve(&mut session, &mut io), session.counters())
        });
        Self {
            pipe,
            baton,
            thread: Some(thread),
        }
    }
}

impl Served for Blocking {
    fn turn(&mut self, _: Instant) -> Result<Option<Ended>, Stop> {
        if !self.pipe.lock().was_touched() {
            return Ok(None);
        }
        match self.baton.give() {
            Holder::Test => Ok(None),
            Holder::Server => Err(Stop::Failed("the blocking driver hangs".into())),
            Holder::Nobody => match self.thread.take().map(JoinHandle::join) {
                Some(Ok(ended)) => Ok(Some(ended)),
                _ => Err(Stop::Failed("the blocking driver panicked".into())),
            },
        }
    }

    fn shut_down(&mut self) -> Result<(), Stop> {
        Err(Stop::NotApplicable(
            "nobody can reach a session while the blocking driver waits".into(),
        ))
    }
}

impl Drop for Blocking {
    fn drop(&mut self) {
        if let Some(thread) = self.thread.take() {
            self.pipe.lock().break_off();
            if self.baton.give() == Holder::Nobody {
                drop(thread.join());
            }
        }
    }
}

/// The side that runs: the test or the server's thread, never both.
#[derive(Default)]
struct Baton {
    holder: Mutex<Holder>,
    passed: Condvar,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Holder {
    #[default]
    Test,
    Server,
    /// The server's thread has ended.
    Nobody,
}

impl Baton {
    /// Lets the server run until it waits or ends. Back with the server as the holder: it did
    /// neither in time.
    fn give(&self) -> Holder {
        let mut holder = self.holder.lock().unwrap_or_else(PoisonError::into_inner);
        if *holder == Holder::Test {
            *holder = Holder::Server;
            self.passed.notify_all();
        }
        let server_runs = |holder: &mut Holder| *holder == Holder::Server;
        let (holder, _) = self
            .passed
            .wait_timeout_while(holder, LIMIT, server_runs)
            .unwrap_or_else(PoisonError::into_inner);
        *holder
    }

    /// The server waits until it may run.
    fn wait(&self) {
        let holder = self.holder.lock().unwrap_or_else(PoisonError::into_inner);
        let may_not_run = |holder: &mut Holder| *holder != Holder::Server;
        drop(self.passed.wait_while(holder, may_not_run));
    }

    /// The server has nothing to do.
    fn pass_to(&self, next: Holder) {
        *self.holder.lock().unwrap_or_else(PoisonError::into_inner) = next;
        self.passed.notify_all();
    }
}

/// The server's end of a pipe.
struct End {
    pipe: Shared,
    baton: Arc<Baton>,
}

impl End {
    fn wait(&self) {
        self.baton.pass_to(Holder::Test);
        self.baton.wait();
    }
}

impl Drop for End {
    fn drop(&mut self) {
        self.baton.pass_to(Holder::Nobody);
    }
}

impl ErrorType for End {
    type Error = ErrorKind;
}

impl Read for End {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, ErrorKind> {
        loop {
            let result = self.pipe.lock().try_read(buffer);
            match result {
                Some(result) => return result,
                None => self.wait(),
            }
        }
    }
}

impl Write for End {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, ErrorKind> {
        loop {
            let result = self.pipe.lock().try_write(bytes);
            match result {
                Some(result) => return result,
                None => self.wait(),
            }
        }
    }

    fn flush(&mut self) -> Result<(), ErrorKind> {
        self.pipe.lock().flush()
    }
}
