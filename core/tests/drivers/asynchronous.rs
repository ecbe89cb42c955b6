//! The async drivers against scripted transports, on an executor of a few lines.

mod flushing;
mod probing;
mod serving;

use core::cell::Cell;
use core::future::{Future, poll_fn};
use core::pin::{Pin, pin};
use core::task::{Context, Poll, Waker};
use core::time::Duration;

use crate::scripted::{Scripted, Step};
use linecho_core::asynchronous;
use linecho_core::{Config, Instant, Probe, ProbeError, Reason, Session};

fn poll<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// Polls to the end, whether woken or not.
pub(crate) fn run<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    for _ in 0..1000 {
        if let Poll::Ready(output) = poll(future.as_mut()) {
            return output;
        }
    }
    panic!("hangs");
}

/// A clock that is set by hand.
#[derive(Default)]
struct Clock(Cell<u64>);

impl Clock {
    fn set(&self, millis: u64) {
        self.0.set(millis);
    }

    fn now(&self) -> Instant {
        Instant::from_millis(self.0.get())
    }

    async fn sleep_until(&self, at: Instant) {
        poll_fn(|_| match self.now() >= at {
            true => Poll::Ready(()),
            false => Poll::Pending,
        })
        .await;
    }
}

pub(crate) async fn no_sleep(_: Instant) {
    panic!("a session without deadlines sleeps");
}

fn session() -> Session<Vec<u8>> {
    with_config(8, Config::new())
}

fn with_config(capacity: usize, config: Config) -> Session<Vec<u8>> {
    Session::new(vec![0; capacity], config, Instant::ZERO)
}

/// Serves a session, whose deadlines may not come.
async fn serve(session: &mut Session<Vec<u8>>, io: &mut Scripted) -> Reason {
    serve_with(session, io, None, &Clock::default()).await
}

async fn serve_at(session: &mut Session<Vec<u8>>, io: &mut Scripted, clock: &Clock) -> Reason {
    serve_with(session, io, None, clock).await
}

/// All tests call the driver here, with the same types, so that its coverage is that of all.
async fn serve_with(
    session: &mut Session<Vec<u8>>,
    io: &mut Scripted,
    budget: Option<usize>,
    clock: &Clock,
) -> Reason {
    let now = || clock.now();
    let sleep = async |at| clock.sleep_until(at).await;
    match budget {
        None => asynchronous::serve(session, io, now, sleep).await,
        Some(budget) => asynchronous::serve_with_budget(session, io, budget, now, sleep).await,
    }
}

async fn send(
    probe: &mut Probe<[u8; 64], 4>,
    io: &mut Scripted,
    clock: &mut dyn FnMut() -> Instant,
) -> Result<(), ProbeError> {
    asynchronous::send(probe, io, clock).await
}

async fn receive(
    probe: &mut Probe<[u8; 64], 4>,
    io: &mut Scripted,
    scratch: &mut [u8],
    clock: &mut dyn FnMut() -> Instant,
    on_line: &mut dyn FnMut(Duration),
) -> Result<(), ProbeError> {
    asynchronous::receive(probe, io, scratch, clock, on_line).await
}

fn served(reads: &[Step], writes: &[Step]) -> (Reason, Vec<u8>) {
    let mut io = Scripted::blocking(reads, writes);
    let mut session = session();
    let reason = run(serve(&mut session, &mut io));
    (reason, io.output)
}
