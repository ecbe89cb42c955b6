//! The rest of the core: each public function at least once, with inputs of which nothing is known.
//!
//! Not the async drivers: every `async fn` has a panic for the case that it is polled after its
//! end.

use core::hint::black_box;
use core::time::Duration;

use linecho_core::embedded_io::ErrorKind;
use linecho_core::transport::{Interpret, Join, NoFlush};
use linecho_core::{Config, Instant, Probe, Reason, Session, Totals, blocking, polled};

use crate::Storage;
use crate::harness::Transport;

const WINDOW: usize = 8;

pub fn run(session: &mut Session<Storage>) {
    engine(session);
    black_box(blocking::serve(session, &mut Transport));
    array_storage();
    wrappers(session);
    totals(session);
    let mut probe = Probe::<_, WINDOW>::new([0; 64]);
    probe_engine(&mut probe);
    probe_drivers(&mut probe);
}

#[inline(never)]
fn engine(session: &mut Session<Storage>) {
    black_box(session.input());
    session.received(black_box(0));
    black_box(session.output());
    session.sent(black_box(0));
    session.tick(black_box(Instant::ZERO));
    black_box(session.deadline());
    session.restart_deadlines(black_box(Instant::ZERO));
    session.end_of_input();
    session.read_failed(black_box(ErrorKind::Other));
    session.end(black_box(ErrorKind::Other.into()));
    black_box(session.is_shutting_down());
    black_box(session.ended());
    black_box(session.held());
    black_box(session.capacity());
    black_box(session.turn_budget());
    session.shutdown();
    let _ = black_box(session.replace_storage(black_box(&mut [])));
}

#[inline(never)]
fn array_storage() {
    let config = Config::new().idle_timeout(Some(black_box(Duration::MAX)));
    let mut session = Session::new([0; 64], black_box(config), black_box(Instant::ZERO));
    black_box(polled::serve(
        &mut session,
        &mut Transport,
        black_box(Instant::ZERO),
        black_box(0),
    ));
}

#[inline(never)]
fn wrappers(session: &mut Session<Storage>) {
    let now = black_box(Instant::ZERO);
    let budget = black_box(0);
    let mut joined = Join::new(Transport, NoFlush(Transport));
    black_box(blocking::serve(session, &mut joined));
    black_box(polled::serve(session, &mut joined, now, budget));
    let mut interpreted = Interpret::new(Transport, black_box);
    black_box(blocking::serve(session, &mut interpreted));
    black_box(polled::serve(session, &mut interpreted, now, budget));
}

#[inline(never)]
fn totals(session: &Session<Storage>) {
    let mut totals = black_box(Totals::default());
    totals.open();
    totals.close(black_box(Reason::Idle), &session.counters());
    totals.add(&black_box(Totals::default()));
    black_box(totals.closed());
    black_box(black_box(Reason::Idle).is_orderly());
    let now = black_box(Instant::from_millis(black_box(0))) + black_box(Duration::MAX);
    black_box(now.saturating_duration_since(black_box(Instant::from_micros(black_box(0)))));
    black_box(now.as_micros());
}

#[inline(never)]
fn probe_engine(probe: &mut Probe<[u8; 64], WINDOW>) {
    black_box(probe.room());
    let _ = black_box(probe.queue(black_box(b"line\n")));
    black_box(probe.output());
    probe.sent(black_box(0), black_box(Instant::ZERO));
    let _ = black_box(probe.received(black_box(b""), black_box(Instant::ZERO)));
    let _ = black_box(probe.check(black_box(b""), black_box(Instant::ZERO), &mut |_| {}));
    let _ = black_box(probe.end_of_input());
    black_box((probe.expected(), probe.position(), probe.capacity()));
    black_box(probe.is_within_line());
    let _ = black_box(probe.replace_storage(black_box([0; 64])));
    black_box((probe.is_done(), probe.lines(), probe.bytes()));
}

#[inline(never)]
fn probe_drivers(probe: &mut Probe<[u8; 64], WINDOW>) {
    let clock = || black_box(Instant::ZERO);
    let on_line = |round_trip| {
        black_box::<Duration>(round_trip);
    };
    let mut scratch = [0; 64];
    let _ = black_box(blocking::send(probe, &mut Transport, clock));
    let scratch = black_box(&mut scratch[..]);
    let _ = black_box(blocking::receive(
        probe,
        &mut Transport,
        scratch,
        clock,
        on_line,
    ));
    let _ = black_box(polled::exchange(
        probe,
        &mut Transport,
        scratch,
        clock(),
        black_box(0),
        on_line,
    ));
}
