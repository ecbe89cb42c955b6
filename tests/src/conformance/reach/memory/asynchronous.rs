//! The async driver in a task, which is polled when it was woken or the time has come for which it
//! sleeps, and at no other time.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use embedded_io_async::{ErrorKind, ErrorType, Read, Write};
use linecho_core::asynchronous::serve;
use linecho_core::{Config, Instant};
use linecho_trials::Stop;

use super::pipe::Shared;
use super::{Ended, Served, session};

pub(super) struct Asynchronous {
    task: Pin<Box<dyn Future<Output = Ended>>>,
    outside: Rc<Outside>,
    woken: Arc<Woken>,
}

/// The state that the task and the world share.
#[derive(Default)]
struct Outside {
    now: Cell<Instant>,
    wakes_at: Cell<Option<Instant>>,
    is_shutting_down: Cell<bool>,
}

impl Outside {
    async fn sleep_until(&self, at: Instant) {
        poll_fn(|_| {
            let waits = self.now.get() < at;
            self.wakes_at.set(waits.then_some(at));
            if waits {
                Poll::Pending
            } else {
                Poll::Ready(())
            }
        })
        .await;
    }
}

impl Asynchronous {
    pub(super) fn new(pipe: Shared, buffer: usize, config: Config, now: Instant) -> Self {
        let outside = Rc::new(Outside::default());
        outside.now.set(now);
        Self {
            task: Box::pin(task(pipe, buffer, config, Rc::clone(&outside))),
            outside,
            woken: Arc::new(Woken(AtomicBool::new(true))),
        }
    }
}

/// Serves, and starts the driver again when it is to shut down: it holds the session while it runs.
async fn task(pipe: Shared, buffer: usize, config: Config, outside: Rc<Outside>) -> Ended {
    let mut io = End(pipe);
    let mut session = session(buffer, config, outside.now.get());
    let clock = || outside.now.get();
    let sleep_until = async |at| outside.sleep_until(at).await;
    let ended = {
        let mut serving = pin!(serve(&mut session, &mut io, clock, sleep_until));
        poll_fn(|context| match serving.as_mut().poll(context) {
            Poll::Pending if outside.is_shutting_down.get() => Poll::Ready(None),
            poll => poll.map(Some),
        })
        .await
    };
    let reason = match ended {
        Some(reason) => reason,
        None => {
            session.shutdown();
            serve(&mut session, &mut io, clock, sleep_until).await
        }
    };
    (reason, session.counters())
}

impl Served for Asynchronous {
    fn turn(&mut self, now: Instant) -> Result<Option<Ended>, Stop> {
        self.outside.now.set(now);
        let time_has_come = self.outside.wakes_at.get().is_some_and(|at| at <= now);
        if !self.woken.0.swap(false, Ordering::Relaxed) && !time_has_come {
            return Ok(None);
        }
        let waker = Waker::from(Arc::clone(&self.woken));
        Ok(
            match self.task.as_mut().poll(&mut Context::from_waker(&waker)) {
                Poll::Ready(ended) => Some(ended),
                Poll::Pending => None,
            },
        )
    }

    fn shut_down(&mut self) -> Result<(), Stop> {
        self.outside.is_shutting_down.set(true);
        self.woken.0.store(true, Ordering::Relaxed);
        Ok(())
    }
}

struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// The server's end of a pipe.
struct End(Shared);

impl ErrorType for End {
    type Error = ErrorKind;
}

impl Read for End {
    async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, ErrorKind> {
        poll_fn(|context| self.0.lock().poll_read(context, buffer)).await
    }
}

impl Write for End {
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, ErrorKind> {
        poll_fn(|context| self.0.lock().poll_write(context, bytes)).await
    }

    async fn flush(&mut self) -> Result<(), ErrorKind> {
        self.0.lock().flush()
    }
}
