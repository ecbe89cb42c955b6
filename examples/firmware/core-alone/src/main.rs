//! The core without anything around it, linked and never run.
//!
//! - **Its size** is that of this image without the module `harness`.
//! - **It cannot panic**, because the panic handler calls a function that does not exist: if any
//!   panic were reachable, this program would not link.
#![no_std]
#![no_main]

mod harness;

#[cfg(feature = "everything")]
mod everything;

use core::hint::black_box;

use harness::Transport;
use linecho_core::polled::{self, Turn};
use linecho_core::{Config, Counters, Instant, Session};

/// One instance for all lengths of line.
type Storage = &'static mut [u8];

#[inline(never)]
fn new(storage: Storage, config: Config, now: Instant) -> Session<Storage> {
    Session::new(storage, config, now)
}

#[inline(never)]
fn serve(session: &mut Session<Storage>, io: &mut Transport, now: Instant, budget: usize) -> Turn {
    polled::serve(session, io, now, budget)
}

#[inline(never)]
fn shutdown(session: &mut Session<Storage>) {
    session.shutdown();
}

#[inline(never)]
fn counters(session: &Session<Storage>) -> Counters {
    session.counters()
}

#[unsafe(no_mangle)]
extern "C" fn _start() -> ! {
    let mut session = new(
        black_box(&mut []),
        black_box(harness::CONFIG),
        black_box(Instant::ZERO),
    );
    loop {
        black_box(serve(
            &mut session,
            &mut Transport,
            black_box(Instant::ZERO),
            black_box(0),
        ));
        shutdown(black_box(&mut session));
        black_box(counters(&session));
        #[cfg(feature = "everything")]
        everything::run(&mut session);
        #[cfg(feature = "control")]
        black_box(session.output()[black_box(0)]);
    }
}
