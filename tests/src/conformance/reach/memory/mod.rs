//! The core's session over pipes in memory, under each of its drivers: deterministic, with chance
//! in every call.

mod asynchronous;
mod blocking;
mod pipe;
mod polled;

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use linecho_core::{Config, Counters, Instant, Reason, Session, Totals};
use linecho_trials::Stop;
use pipe::{Pipe, Shared};

use super::{Facts, Network, Peer, Reach, Wanted};

/// The time that passes on the clock in a step.
const STEP: Duration = Duration::from_micros(50);

/// The driver that serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Memory {
    /// `linecho_core::polled`.
    Polled,
    /// `linecho_core::blocking`, in a thread for each session.
    Blocking,
    /// `linecho_core::asynchronous`, in a task for each session.
    Asynchronous,
}

impl Reach for Memory {
    fn name(&self) -> String {
        format!("memory_{self:?}").to_lowercase()
    }

    fn pace(&self) -> Duration {
        Duration::from_millis(100)
    }

    fn seeds(&self) -> u64 {
        5
    }

    fn start(&self, wanted: &Wanted, seed: u64) -> Result<Box<dyn Network>, Stop> {
        if *self == Self::Blocking
            && (wanted.idle_timeout.is_some() || wanted.write_timeout.is_some())
        {
            let why =
                "the blocking driver knows no deadlines; the transport's own timeouts do that";
            return Err(Stop::NotApplicable(why.into()));
        }
        let mut rng = fastrand::Rng::with_seed(seed);
        Ok(Box::new(World {
            driver: *self,
            config: Config::new()
                .long_lines(wanted.long_lines)
                .idle_timeout(wanted.idle_timeout)
                .write_timeout(wanted.write_timeout),
            buffer: *rng.choice(&[32, 100, 256, 1500]).unwrap_or(&256),
            pipe_capacity: *rng.choice(&[50, 333, 1000, 5000]).unwrap_or(&1000),
            places: wanted.connections.unwrap_or(1000),
            rng,
            now: Duration::ZERO,
            connections: Vec::new(),
            waiting: VecDeque::new(),
            serving: Vec::new(),
            totals: Totals::default(),
            is_shutting_down: false,
        }))
    }
}

/// The end of a session, and its counters.
type Ended = (Reason, Counters);

/// A session and its driver.
trait Served {
    /// Gives it a turn at `now` if it asked for one; says when it has ended.
    fn turn(&mut self, now: Instant) -> Result<Option<Ended>, Stop>;

    /// Asks it to finish.
    ///
    /// # Errors
    ///
    /// [`Stop::NotApplicable`] when this driver cannot.
    fn shut_down(&mut self) -> Result<(), Stop>;
}

fn session(buffer: usize, config: Config, now: Instant) -> Session<Box<[u8]>> {
    Session::new(vec![0; buffer].into_boxed_slice(), config, now)
}

/// A server with a fixed number of places, and the pipes to it.
struct World {
    driver: Memory,
    config: Config,
    buffer: usize,
    pipe_capacity: usize,
    places: usize,
    rng: fastrand::Rng,
    now: Duration,
    connections: Vec<Shared>,
    /// Connections that have no place yet.
    waiting: VecDeque<usize>,
    serving: Vec<(usize, Box<dyn Served>)>,
    totals: Totals,
    is_shutting_down: bool,
}

impl World {
    fn instant(&self) -> Instant {
        Instant::ZERO + self.now
    }

    fn accept(&mut self) {
        while self.serving.len() < self.places {
            let Some(next) = self.waiting.pop_front() else {
                return;
            };
            let pipe = self.connections[next].clone();
            let (buffer, config, now) = (self.buffer, self.config, self.instant());
            let served: Box<dyn Served> = match self.driver {
                Memory::Polled => Box::new(polled::Polled::new(pipe, buffer, config, now)),
                Memory::Blocking => Box::new(blocking::Blocking::new(pipe, buffer, config, now)),
                Memory::Asynchronous => {
                    Box::new(asynchronous::Asynchronous::new(pipe, buffer, config, now))
                }
            };
            self.serving.push((next, served));
            self.totals.open();
        }
    }

    fn end(&mut self, connection: usize, (reason, counters): Ended) {
        self.totals.close(reason, &counters);
        let mut pipe = self.connections[connection].lock();
        if reason.is_orderly() {
            pipe.server_closes();
        } else {
            pipe.break_off();
        }
    }
}

impl Network for World {
    fn facts(&self) -> Facts {
        Facts {
            buffer: self.buffer,
            connections: self.places,
            in_transit: self.buffer + 2 * self.pipe_capacity,
            sees_silent: true,
            bulk: 1 << 20,
        }
    }

    fn now(&self) -> Duration {
        self.now
    }

    fn step(&mut self) -> Result<(), Stop> {
        self.now += STEP;
        self.accept();
        let now = self.instant();
        let mut serving = std::mem::take(&mut self.serving);
        self.rng.shuffle(&mut serving);
        for (connection, mut served) in serving {
            match served.turn(now)? {
                Some(ended) => self.end(connection, ended),
                None => self.serving.push((connection, served)),
            }
        }
        Ok(())
    }

    fn open(&mut self) -> io::Result<Peer> {
        if self.is_shutting_down {
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        let connection = self.connections.len();
        let pipe = Pipe::new(self.pipe_capacity, self.rng.fork());
        self.connections.push(Shared::new(pipe));
        self.waiting.push_back(connection);
        Ok(Peer(connection))
    }

    fn is_connected(&mut self, _: Peer) -> io::Result<bool> {
        Ok(true)
    }

    fn send(&mut self, peer: Peer, bytes: &[u8]) -> io::Result<usize> {
        self.connections[peer.0].lock().send(bytes)
    }

    fn receive(&mut self, peer: Peer, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        self.connections[peer.0].lock().receive(buffer)
    }

    fn half_close(&mut self, peer: Peer) -> io::Result<()> {
        self.connections[peer.0].lock().half_close();
        Ok(())
    }

    fn reset(&mut self, peer: Peer) {
        self.connections[peer.0].lock().break_off();
    }

    fn close(&mut self, peer: Peer) {
        self.connections[peer.0].lock().peer_closes();
    }

    fn totals(&mut self) -> Option<Totals> {
        Some(self.totals)
    }

    fn shut_down(&mut self) -> Result<(), Stop> {
        for (_, served) in &mut self.serving {
            served.shut_down()?;
        }
        for waiting in self.waiting.drain(..) {
            self.connections[waiting].lock().break_off();
        }
        self.is_shutting_down = true;
        Ok(())
    }

    fn is_down(&mut self) -> Result<bool, Stop> {
        Ok(self.is_shutting_down && self.serving.is_empty())
    }
}
