//! The loop of a load: one thread, all connections.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use linecho_core::ProbeError;
use linecho_core::polled::{self, ProbeTurn};
use mio::net::TcpStream;
use mio::{Events, Poll, Token, Waker};

use super::connector::Connector;
use super::counted::{Counted, listen};
use super::place::Place;
use super::schedule::Schedule;
use super::{Length, Load, LoadStats, Sample};
use crate::client::cause::counted;
use crate::socket::{Socket, interest};
use crate::{Cause, ConnectError};

/// Bytes that one connection reads before the others have their turn.
const BUDGET: usize = 64 * 1024;
/// The longest time in which nothing is noticed, when a line is due in less than a millisecond.
const SHORT_SLEEP: Duration = Duration::from_micros(50);
const PROGRESS: Duration = Duration::from_millis(100);
/// The pause before a failed connection is made again.
const PAUSE: Duration = Duration::from_millis(100);

struct Run<'a> {
    load: &'a Load,
    poll: Poll,
    connector: Connector,
    places: Vec<Place>,
    /// Places with something to do.
    queue: VecDeque<usize>,
    schedule: Schedule,
    /// The next place that gets a line by the rate.
    turn: usize,
    stats: LoadStats,
    scratch: Box<[u8]>,
    began: Instant,
    /// No more lines are sent.
    finishing: bool,
}

pub(super) fn run(
    load: &Load,
    mut on_line: impl FnMut(Sample),
    mut on_progress: impl FnMut(&LoadStats),
) -> io::Result<LoadStats> {
    let mut run = Run::new(load)?;
    let mut events = Events::with_capacity(1024);
    let mut told = Instant::now();
    while !run.is_over() {
        run.wait(&mut events)?;
        let now = Instant::now();
        run.take_connections()?;
        run.hand_out(now);
        run.serve(&mut on_line);
        if now - told >= PROGRESS {
            told = now;
            run.stats.elapsed = run.elapsed();
            run.give_up_silent(now);
            on_progress(&run.stats);
        }
    }
    Ok(run.stats)
}

impl<'a> Run<'a> {
    fn new(load: &'a Load) -> io::Result<Self> {
        let poll = Poll::new()?;
        // Places have the tokens below.
        let waker = Arc::new(Waker::new(poll.registry(), Token(load.connections))?);
        let connector = Connector::start(load, &waker)?;
        let began = Instant::now();
        let most = match load.length {
            Length::Lines(lines) => Some(lines),
            Length::Time(_) => None,
        };
        let places = (0..load.connections).map(|number| {
            let step = u32::try_from(number).unwrap_or(u32::MAX);
            let all = u32::try_from(load.connections).unwrap_or(u32::MAX);
            connector.want(number, load.ramp / all * step);
            Place::new(number, load)
        });
        Ok(Self {
            places: places.collect(),
            load,
            poll,
            connector,
            queue: VecDeque::new(),
            schedule: Schedule::new(began, load.rate, most),
            turn: 0,
            stats: LoadStats::default(),
            scratch: vec![0; BUDGET].into_boxed_slice(),
            began,
            finishing: false,
        })
    }

    fn elapsed(&self) -> Duration {
        match self.finishing {
            true => self.stats.elapsed,
            false => self.began.elapsed(),
        }
    }

    /// Ends the sending when its time has come; over when nothing more is to come back.
    fn is_over(&mut self) -> bool {
        if !self.finishing {
            let enough = match self.load.length {
                Length::Time(time) => self.began.elapsed() >= time,
                Length::Lines(_) => {
                    self.schedule.is_done() && self.places.iter().all(|it| it.waiting.is_empty())
                }
            };
            if enough || self.load.stop.is_set() {
                self.stats.elapsed = self.began.elapsed();
                self.finishing = true;
                for place in &mut self.places {
                    self.stats.unsent += place.waiting.len() as u64;
                    place.waiting.clear();
                }
            }
        }
        if self.load.stop.is_set_twice() {
            for place in &mut self.places {
                self.stats.lost += place.due.len() as u64;
                place.due.clear();
            }
        }
        self.finishing && self.places.iter().all(|place| place.due.is_empty())
    }

    fn wait(&mut self, events: &mut Events) -> io::Result<()> {
        let mut limit = PROGRESS;
        if !self.queue.is_empty() {
            return self.poll(events, Duration::ZERO);
        }
        if self.schedule.has_rate() && !self.schedule.is_done() && !self.finishing {
            let next = self.schedule.next_due();
            limit = limit.min(next.saturating_duration_since(Instant::now()));
        }
        // The wait for events counts in whole milliseconds, which would make lines late.
        if limit < Duration::from_millis(1) {
            thread::sleep(limit.min(SHORT_SLEEP));
            limit = Duration::ZERO;
        }
        self.poll(events, limit)
    }

    fn poll(&mut self, events: &mut Events, limit: Duration) -> io::Result<()> {
        match self.poll.poll(events, Some(limit)) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
            _ => {}
        }
        for event in events.iter() {
            let Token(number) = event.token();
            if let Some(place) = self.places.get_mut(number) {
                place.ready.note(event);
                self.enqueue(number);
            }
        }
        Ok(())
    }

    fn enqueue(&mut self, number: usize) {
        let place = &mut self.places[number];
        if !place.queued {
            place.queued = true;
            self.queue.push_back(number);
        }
    }

    fn take_connections(&mut self) -> io::Result<()> {
        while let Some(attempt) = self.connector.next() {
            let number = attempt.place;
            match attempt.result {
                Ok(stream) => {
                    stream.set_nonblocking(true)?;
                    let mut stream = TcpStream::from_std(stream);
                    let registry = self.poll.registry();
                    registry.register(&mut stream, Token(number), interest())?;
                    self.places[number].open(stream, self.load);
                    self.stats.connected += 1;
                    self.stats.open += 1;
                    self.enqueue(number);
                }
                Err(error) => {
                    let cause = error.cause();
                    self.stats.fail(cause, || error.to_string());
                    // Without an address to try nothing will change.
                    if !self.finishing && !matches!(error, ConnectError::NoAddress) {
                        self.connector.want(number, PAUSE);
                    }
                }
            }
        }
        Ok(())
    }

    /// With a rate, gives the lines that are due to the places in turn, connected or not.
    fn hand_out(&mut self, now: Instant) {
        if self.finishing || !self.schedule.has_rate() {
            return;
        }
        while let Some(due) = self.schedule.next(now) {
            let number = self.turn;
            self.turn = (self.turn + 1) % self.places.len();
            self.places[number].waiting.push_back(due);
            self.enqueue(number);
        }
    }

    /// Gives each place in the queue a turn.
    fn serve(&mut self, on_line: &mut impl FnMut(Sample)) {
        for _ in 0..self.queue.len() {
            let Some(number) = self.queue.pop_front() else {
                return;
            };
            self.places[number].queued = false;
            if self.places[number].stream.is_none() {
                continue;
            }
            let served = match self.serve_place(number, on_line) {
                // What came back made room for more.
                Ok(true) => self.serve_place(number, on_line),
                other => other,
            };
            match served {
                Ok(true) => self.enqueue(number),
                Ok(false) => {}
                Err((cause, reason)) => self.fail(number, cause, || reason),
            }
        }
    }

    /// Returns whether there is more to do at once.
    fn serve_place(
        &mut self,
        number: usize,
        on_line: &mut impl FnMut(Sample),
    ) -> Result<bool, (Cause, String)> {
        let place = &mut self.places[number];
        let now = Instant::now();
        if !self.finishing {
            self.stats.sent += place.queue_lines(now, self.load, &mut self.schedule);
        }
        let Some(stream) = &place.stream else {
            return Ok(false);
        };
        let (began, due) = (self.began, &mut place.due);
        let mut io = Counted {
            socket: Socket {
                stream,
                ready: &mut place.ready,
            },
            beginning: &mut place.beginning,
            moved: false,
            read: 0,
            last_read: 0,
            ended: false,
            failed: None,
        };
        let mut lines = 0;
        let at = now - began;
        let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let core_now = linecho_core::Instant::from_micros(micros(at));
        let before = place.probe.bytes();
        let result = polled::exchange(
            &mut place.probe,
            &mut io,
            &mut self.scratch,
            core_now,
            BUDGET,
            |since_sent| {
                lines += 1;
                let due = due.pop_front().unwrap_or(now);
                on_line(Sample {
                    at,
                    since_due: now.saturating_duration_since(due).max(since_sent),
                    since_sent,
                });
            },
        );
        let unasked = match &result {
            Ok(ProbeTurn::Done) if !io.ended => listen(&mut io, &mut self.scratch),
            _ => 0,
        };
        let Counted {
            moved,
            read,
            last_read,
            ended,
            failed,
            ..
        } = io;
        self.stats.lines += lines;
        if lines > 0 {
            place.count_backend(lines, &mut self.stats.backends);
        }
        let right = place.probe.bytes() - before;
        self.stats.bytes += right;
        if moved {
            place.heard = now;
        }
        match result {
            Ok(_) if unasked > 0 => {
                let mismatch = place.mismatch(&self.scratch[..unasked]);
                Err((mismatch.cause(), mismatch.to_string()))
            }
            Ok(ProbeTurn::Done) if failed.is_some() => {
                Err((Cause::Reset, "a connection was reset".into()))
            }
            Ok(_) if ended => Err((Cause::Eof, "the server has closed a connection".into())),
            Ok(ProbeTurn::Done) => Ok(!self.finishing && place.can_send(self.load, &self.schedule)),
            Ok(ProbeTurn::Again) => Ok(true),
            Ok(ProbeTurn::Wait { .. }) => {
                Ok(!self.finishing && lines > 0 && place.can_send(self.load, &self.schedule))
            }
            Err(error) => Err(match (&error, failed) {
                (ProbeError::Io(_), Some(error)) => (Cause::of_io(&error), error.to_string()),
                (ProbeError::Missing { position, bytes }, _) => {
                    let missing = counted(*bytes, "byte");
                    let text = format!("{position}: the server closed with {missing} missing");
                    (Cause::Eof, text)
                }
                (ProbeError::Io(_), None) => (Cause::Other, error.to_string()),
                _ => {
                    // What was read before the last time was right.
                    let wrong = usize::try_from(read.saturating_sub(right)).unwrap_or(last_read);
                    let wrong = wrong.min(last_read);
                    let mismatch = place.mismatch(&self.scratch[last_read - wrong..last_read]);
                    (mismatch.cause(), mismatch.to_string())
                }
            }),
        }
    }

    fn fail(&mut self, number: usize, cause: Cause, reason: impl FnOnce() -> String) {
        self.stats.fail(cause, reason);
        self.stats.open -= 1;
        let place = &mut self.places[number];
        self.stats.lost += place.due.len() as u64;
        place.due.clear();
        if let Some(mut stream) = place.stream.take() {
            // It is gone with its descriptor in any case.
            let _ = self.poll.registry().deregister(&mut stream);
        }
        if !self.finishing {
            self.connector.want(number, PAUSE);
        }
    }

    /// Ends connections on which nothing has come back for the timeout.
    fn give_up_silent(&mut self, now: Instant) {
        let timeout = self.load.timeout;
        if timeout.is_zero() {
            return;
        }
        for number in 0..self.places.len() {
            let place = &self.places[number];
            if !place.due.is_empty() && now.saturating_duration_since(place.heard) >= timeout {
                let (cause, what) = match place.beginning.is_open() {
                    true => (Cause::Mismatch, "half a greeting came, and nothing more"),
                    false => (Cause::Timeout, "nothing came back"),
                };
                self.fail(number, cause, || format!("{what} for {timeout:?}"));
            }
        }
    }
}
