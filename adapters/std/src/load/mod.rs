//! Puts a load on a line echo, and verifies every byte that comes back.
//!
//! ```no_run
//! use linecho_std::Client;
//! use linecho_std::load::{Length, Load, Sample};
//! use std::time::Duration;
//!
//! let mut slowest = Duration::ZERO;
//! let stats = Load::new(&Client::builder(), &["127.0.0.1:18080".parse()?])
//!     .connections(50)
//!     .in_flight(16)
//!     .length(Length::Time(Duration::from_secs(5)))
//!     .run(|sample: Sample| slowest = slowest.max(sample.since_due), |_| ())?;
//! println!("{} lines verified, the slowest took {slowest:?}", stats.lines);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod connector;
mod counted;
mod lines;
mod place;
mod run;
mod schedule;

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use crate::{Backends, Cause, ClientBuilder};

/// Configures a load.
#[derive(Clone, Debug)]
pub struct Load {
    builder: ClientBuilder,
    place: Place,
    sources: Vec<SocketAddr>,
    connections: usize,
    in_flight: usize,
    size: usize,
    length: Length,
    rate: Option<f64>,
    ramp: Duration,
    timeout: Duration,
    stop: StopFlag,
}

/// The length of a load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// So long, from the first connection on.
    Time(Duration),
    /// So many lines on all connections together.
    Lines(u64),
}

/// The place where the server is.
#[derive(Clone, Debug)]
enum Place {
    Tcp(Vec<SocketAddr>),
    Unix(PathBuf),
}

/// A line that came back.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Sample {
    /// The time at which it came back, since the load began.
    pub at: Duration,
    /// The time since it was due: with a rate, by the schedule, whether it could be sent or not;
    /// else since it was sent.
    pub since_due: Duration,
    /// The time since its last byte was sent.
    pub since_sent: Duration,
}

/// The figures of a load.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct LoadStats {
    /// Lines that were sent.
    pub sent: u64,
    /// Lines that came back right.
    pub lines: u64,
    /// Bytes that came back right.
    pub bytes: u64,
    /// Lines that were lost with their connections.
    pub lost: u64,
    /// Lines that were due, by the rate, and not sent before the end.
    pub unsent: u64,
    /// Connections that are open.
    pub open: usize,
    /// Connections that were made.
    pub connected: u64,
    /// The servers that have answered, as far as they identify themselves.
    pub backends: Backends,
    /// Failures by reason: of connections, and of attempts to connect.
    pub failures: BTreeMap<Cause, u64>,
    /// The first failure, in words.
    pub first_failure: Option<String>,
    /// The time since the load began; when it is over, without the wait for the last lines.
    pub elapsed: Duration,
}

impl LoadStats {
    /// The number of failures.
    #[must_use]
    pub fn failed(&self) -> u64 {
        self.failures.values().sum()
    }

    fn fail(&mut self, cause: Cause, reason: impl FnOnce() -> String) {
        *self.failures.entry(cause).or_default() += 1;
        self.first_failure.get_or_insert_with(reason);
    }
}

/// Ends a load early, from another thread or a signal handler.
#[derive(Clone, Debug, Default)]
pub struct StopFlag(Arc<AtomicUsize>);

impl StopFlag {
    /// Asks the load to end: no more lines are sent, and those on their way are awaited. The second
    /// time it ends at once, and they are lost.
    pub fn stop(&self) {
        self.0.fetch_add(1, Relaxed);
    }

    fn is_set(&self) -> bool {
        self.0.load(Relaxed) > 0
    }

    fn is_set_twice(&self) -> bool {
        self.0.load(Relaxed) > 1
    }
}

impl Load {
    /// Prepares a load on the server at `addresses`, on connections that `builder` makes: one
    /// connection with one line of 64 bytes at a time, for 10 s.
    #[must_use]
    pub fn new(builder: &ClientBuilder, addresses: &[SocketAddr]) -> Self {
        Self::on(builder, Place::Tcp(addresses.to_vec()))
    }

    /// Prepares the same on the UNIX socket at `path`.
    #[must_use]
    pub fn unix(builder: &ClientBuilder, path: impl Into<PathBuf>) -> Self {
        Self::on(builder, Place::Unix(path.into()))
    }

    fn on(builder: &ClientBuilder, place: Place) -> Self {
        Self {
            builder: builder.clone(),
            place,
            sources: Vec::new(),
            connections: 1,
            in_flight: 1,
            size: 64,
            length: Length::Time(Duration::from_secs(10)),
            rate: None,
            ramp: Duration::ZERO,
            timeout: builder.timeout,
            stop: StopFlag::default(),
        }
    }

    /// Sets the number of connections, at least 1.
    #[must_use]
    pub fn connections(mut self, number: usize) -> Self {
        self.connections = number.max(1);
        self
    }

    /// Sets how many lines a connection has on their way at most, from 1 to 1,024.
    #[must_use]
    pub fn in_flight(mut self, lines: usize) -> Self {
        self.in_flight = lines.clamp(1, place::WINDOW);
        self
    }

    /// Sets the length of a line in bytes, its newline included, from 1 to 1 MiB.
    #[must_use]
    pub fn size(mut self, bytes: usize) -> Self {
        self.size = bytes.clamp(1, 1 << 20);
        self
    }

    /// Sets how long the load lasts.
    #[must_use]
    pub fn length(mut self, length: Length) -> Self {
        self.length = length;
        self
    }

    /// Sends so many lines a second on all connections together, whether or not others are back (an
    /// open loop): a server that stalls is asked as often as one that does not.
    #[must_use]
    pub fn rate(mut self, lines_per_second: f64) -> Self {
        self.rate = (lines_per_second > 0.0).then_some(lines_per_second);
        self
    }

    /// Opens the connections evenly over this time.
    #[must_use]
    pub fn ramp(mut self, time: Duration) -> Self {
        self.ramp = time;
        self
    }

    /// Connects from these addresses in turn: from one address there can be about 28,000
    /// connections to one server (Linux, `net.ipv4.ip_local_port_range`).
    #[must_use]
    pub fn sources(mut self, addresses: &[SocketAddr]) -> Self {
        self.sources = addresses.to_vec();
        self
    }

    /// Returns a flag that ends the load early.
    #[must_use]
    pub fn stop_flag(&self) -> StopFlag {
        self.stop.clone()
    }

    /// Runs the load. Calls `on_line` for each line that comes back, and `on_progress` about ten
    /// times a second. A connection that fails is made again, after a tenth of a second.
    ///
    /// # Errors
    ///
    /// Only when the system lacks the means to run it. What fails on connections is counted.
    pub fn run(
        &self,
        on_line: impl FnMut(Sample),
        on_progress: impl FnMut(&LoadStats),
    ) -> io::Result<LoadStats> {
        run::run(self, on_line, on_progress)
    }
}
