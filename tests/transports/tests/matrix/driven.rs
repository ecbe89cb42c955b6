//! One side of a connection with the core's drivers on it: what is under test.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::Poll;
use std::thread;

use linecho_core::embedded_io::{Read, ReadReady, Write, WriteReady};
use linecho_core::polled::{ProbeTurn, Turn};
use linecho_core::{Config, Instant, Probe, ProbeError, Reason, Session};
use linecho_core::{asynchronous, blocking, polled};
use tokio::sync::oneshot;

/// The line buffer of every session here, in bytes.
pub(crate) const LINE: usize = 256;
/// The most that a polled driver reads in a turn.
const BUDGET: usize = 1024;

pub(crate) type BoxedSession = Session<Box<[u8]>>;
type BoxedProbe = Probe<Box<[u8]>, 4>;

pub(crate) fn session() -> BoxedSession {
    Session::new(vec![0; LINE].into(), Config::new(), Instant::ZERO)
}

fn probe() -> BoxedProbe {
    Probe::new(vec![0; 4096].into())
}

/// A transport, and the driver that fits it.
pub(crate) trait Driven: Sized {
    /// The driver's name in the table.
    const DRIVER: &'static str;
    /// True if a wait can be given up.
    const CANCELS: bool = false;

    /// Serves until the session ends, then closes as users of the transport do.
    async fn serve(self, session: BoxedSession) -> Reason;

    /// The same, with every wait given up once and begun anew.
    async fn serve_cancelled(self, _: BoxedSession) -> Reason {
        unreachable!("only called if CANCELS")
    }

    /// Sends each line with a probe and receives it, one after the other.
    async fn probe(self, lines: Vec<Vec<u8>>) -> Result<(), ProbeError>;
}

fn now() -> Instant {
    Instant::ZERO
}

/// A transport of `embedded-io-async`, under the async driver.
pub(crate) struct Async<T>(pub(crate) T);

/// The end of a transport as its users make it, so that the peer gets everything.
pub(crate) trait Close {
    async fn close(&mut self) {}
}

async fn no_sleep(_: Instant) {
    unreachable!("the sessions have no deadlines");
}

impl<T> Driven for Async<T>
where
    T: embedded_io_async::Read + embedded_io_async::Write + Close,
{
    const DRIVER: &'static str = "async";
    const CANCELS: bool = true;

    async fn serve(mut self, mut session: BoxedSession) -> Reason {
        let reason = asynchronous::serve(&mut session, &mut self.0, now, no_sleep).await;
        self.0.close().await;
        reason
    }

    async fn serve_cancelled(mut self, mut session: BoxedSession) -> Reason {
        // The one is given up at once, the other when it was woken and waits again.
        let mut polls = [1, 2].into_iter().cycle();
        let reason = loop {
            let serving = asynchronous::serve(&mut session, &mut self.0, now, no_sleep);
            let polls = polls.next().unwrap_or(1);
            if let Some(reason) = give_up_after(polls, pin!(serving)).await {
                break reason;
            }
        };
        self.0.close().await;
        reason
    }

    async fn probe(mut self, lines: Vec<Vec<u8>>) -> Result<(), ProbeError> {
        let (mut probe, mut scratch) = (probe(), [0; 100]);
        for line in lines {
            probe.queue(&line).expect("room for a line");
            asynchronous::send(&mut probe, &mut self.0, now).await?;
            asynchronous::receive(&mut probe, &mut self.0, &mut scratch, now, |_| {}).await?;
        }
        Ok(())
    }
}

/// Polls so many times: `None` if the future still waits then.
async fn give_up_after<F: Future>(mut polls: usize, mut future: Pin<&mut F>) -> Option<F::Output> {
    poll_fn(|context| match future.as_mut().poll(context) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending if polls == 1 => Poll::Ready(None),
        Poll::Pending => {
            polls -= 1;
            Poll::Pending
        }
    })
    .await
}

/// A transport of `embedded-io` that blocks, in a thread of its own.
pub(crate) struct Blocking<T>(pub(crate) T);

impl<T: Read + Write + Send + 'static> Driven for Blocking<T> {
    const DRIVER: &'static str = "blocking";

    async fn serve(mut self, mut session: BoxedSession) -> Reason {
        in_a_thread(move || blocking::serve(&mut session, &mut self.0)).await
    }

    async fn probe(mut self, lines: Vec<Vec<u8>>) -> Result<(), ProbeError> {
        let (mut probe, mut scratch) = (probe(), [0; 100]);
        in_a_thread(move || {
            for line in lines {
                probe.queue(&line).expect("room for a line");
                blocking::send(&mut probe, &mut self.0, now)?;
                blocking::receive(&mut probe, &mut self.0, &mut scratch, now, |_| {})?;
            }
            Ok(())
        })
        .await
    }
}

/// A thread that hangs is left behind; the check's own limit reports it.
async fn in_a_thread<O: Send + 'static>(work: impl FnOnce() -> O + Send + 'static) -> O {
    let (done, output) = oneshot::channel();
    thread::spawn(move || drop(done.send(work())));
    output.await.expect("the thread does not panic")
}

/// A transport of `embedded-io` that says whether it is ready, in a main loop.
pub(crate) struct Polled<T>(pub(crate) T);

/// The rest of a firmware's main loop.
pub(crate) trait MainLoop {
    fn turn(&mut self);
}

impl<T: Read + Write + ReadReady + WriteReady + MainLoop> Driven for Polled<T> {
    const DRIVER: &'static str = "polled";

    async fn serve(mut self, mut session: BoxedSession) -> Reason {
        loop {
            self.0.turn();
            if let Turn::Ended(reason) = polled::serve(&mut session, &mut self.0, now(), BUDGET) {
                return reason;
            }
            tokio::task::yield_now().await;
        }
    }

    async fn probe(mut self, lines: Vec<Vec<u8>>) -> Result<(), ProbeError> {
        let (mut probe, mut scratch) = (probe(), [0; 100]);
        for line in lines {
            probe.queue(&line).expect("room for a line");
            loop {
                self.0.turn();
                let io = &mut self.0;
                let turn = polled::exchange(&mut probe, io, &mut scratch, now(), BUDGET, |_| {})?;
                if turn == ProbeTurn::Done {
                    break;
                }
                tokio::task::yield_now().await;
            }
        }
        Ok(())
    }
}
