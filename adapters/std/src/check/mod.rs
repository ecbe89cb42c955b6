//! Looks at what a path does to a stream: proxies, balancers, tunnels, and the network between a
//! client and a line echo.
//!
//! A [`Check`] asks questions, each on connections of its own, and answers each with a [`Row`].
//!
//! ```no_run
//! use linecho_std::Client;
//! use linecho_std::check::{Check, Grade};
//!
//! let addresses = ["127.0.0.1:18080".parse()?];
//! let mut holds = true;
//! Check::new(&Client::builder(), &addresses).run(|row| {
//!     println!("{:20} {}", row.question.as_str(), row.verdict);
//!     holds &= row.grade != Grade::Bad;
//! });
//! # Ok::<(), std::net::AddrParseError>(())
//! ```

mod bytes;
mod close;
mod flow;
mod identity;
mod pattern;
mod reach;
mod row;
mod seen;
mod wire;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::ClientBuilder;
pub use row::{Figure, Grade, Question, Row};
use wire::{Common, Trouble, Wire};

/// Counts of a server, as far as a [`Check`] uses them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ServerCounts {
    /// Sessions that ended because the peer closed.
    pub closed: u64,
    /// Sessions that ended because the peer reset the connection.
    pub reset: u64,
}

/// Asks a server for its counts; nothing when it does not answer.
pub type AskCounts = Box<dyn Fn() -> Option<ServerCounts>>;

/// Configures a look at a path.
pub struct Check {
    builder: ClientBuilder,
    addresses: Vec<SocketAddr>,
    limit: Duration,
    patience: Duration,
    most_buffered: u64,
    most_bytes: u64,
    longest_line: usize,
    connections: usize,
    stall: Duration,
    idle: Option<Duration>,
    counts: Option<AskCounts>,
    /// What all connections share.
    common: Common,
}

impl Check {
    /// Prepares to check the path to a line echo at `addresses`, on connections that `builder`
    /// makes.
    #[must_use]
    pub fn new(builder: &ClientBuilder, addresses: &[SocketAddr]) -> Self {
        Self {
            builder: builder.clone(),
            addresses: addresses.to_vec(),
            limit: Duration::from_secs(20),
            patience: Duration::from_secs(2),
            most_buffered: 256 << 20,
            most_bytes: 300 << 20,
            longest_line: 1 << 20,
            connections: 100,
            stall: Duration::from_millis(20),
            idle: None,
            counts: None,
            common: Common::default(),
        }
    }

    /// Limits the time of all questions together, that of [`idle`](Self::idle) not counted; 20 s by
    /// default. What is not asked in time has the verdict `not asked`, and what has no answer by
    /// then `not finished`.
    #[must_use]
    pub fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Sets how long an answer may take; 2 s by default.
    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Sets the number of bytes from which a path that is not read counts as without bounds; 256
    /// MiB by default.
    #[must_use]
    pub fn most_buffered(mut self, bytes: u64) -> Self {
        self.most_buffered = bytes;
        self
    }

    /// Limits the bytes that are sent in all, and so those that come back; 300 MiB by default. What
    /// is left to ask then has the verdict `not asked`. One question may go up to 8 MiB beyond.
    #[must_use]
    pub fn most_bytes(mut self, bytes: u64) -> Self {
        self.most_bytes = bytes;
        self
    }

    /// Sets the length of the longest line that is sent, in bytes, its newline included; 1 MiB by
    /// default.
    #[must_use]
    pub fn longest_line(mut self, bytes: usize) -> Self {
        self.longest_line = bytes.max(1);
        self
    }

    /// Sets the most connections that are open at once; 100 by default.
    #[must_use]
    pub fn connections(mut self, number: usize) -> Self {
        self.connections = number.max(1);
        self
    }

    /// Sets the extra time of a line in two writes from which it counts as a stall; 20 ms by
    /// default.
    #[must_use]
    pub fn stall(mut self, time: Duration) -> Self {
        self.stall = time;
        self
    }

    /// Also asks whether a connection lives that is idle for this time.
    #[must_use]
    pub fn idle(mut self, time: Duration) -> Self {
        self.idle = Some(time);
        self
    }

    /// Also asks what the server sees, which tells its counts here.
    #[must_use]
    pub fn server_counts(mut self, ask: AskCounts) -> Self {
        self.counts = Some(ask);
        self
    }

    /// Asks all questions in order, and passes each answer to `on_row` at once.
    pub fn run(mut self, mut on_row: impl FnMut(&Row)) {
        let reachable = self.addresses();
        on_row(&reachable);
        if reachable.grade == Grade::Bad {
            return;
        }
        let echo = self.echo();
        on_row(&echo);
        if echo.grade == Grade::Bad {
            return;
        }
        self.common.end = Instant::now().checked_add(self.limit);
        type Ask = fn(&Check) -> Row;
        let questions: [(Question, Ask); 18] = [
            (Question::Tcp, Self::tcp),
            (Question::Bytes, Self::bytes),
            (Question::Pieces, Self::pieces),
            (Question::ShortLines, Self::short_lines),
            (Question::SmallWrites, Self::small_writes),
            (Question::Segments, Self::segments),
            (Question::LongLines, Self::long_lines),
            (Question::Stream, Self::stream),
            (Question::OneServer, Self::one_server),
            (Question::HalfClose, Self::half_close),
            (Question::InFlight, Self::in_flight),
            (Question::Ending, Self::ending),
            (Question::Latency, Self::latency),
            (Question::Buffering, Self::buffering),
            (Question::Connections, Self::connections_at_once),
            (Question::LocalPort, Self::local_port),
            (Question::HalfCloseSeen, Self::half_close_seen),
            (Question::Reset, Self::reset),
        ];
        for (question, ask) in questions {
            let of_the_server = [Question::HalfCloseSeen, Question::Reset];
            if self.counts.is_none() && of_the_server.contains(&question) {
                continue;
            }
            on_row(&self.ask(question, ask));
        }
        self.identities().iter().for_each(&mut on_row);
        if let Some(idle) = self.idle {
            self.common.end = None;
            on_row(&self.idle_connection(idle));
        }
    }

    /// Asks a question if there is time and there are bytes left for it.
    fn ask(&self, question: Question, ask: fn(&Self) -> Row) -> Row {
        let unknown = |verdict, why: &str| Row::new(question, Grade::Unknown, verdict).found(why);
        if self.common.is_over() {
            return unknown("not asked", "no time was left");
        }
        if self.bytes_left() == 0 {
            return unknown("not asked", "no bytes were left");
        }
        let row = ask(self);
        match row.grade == Grade::Bad && self.common.is_over() {
            true => unknown("not finished", "no time was left"),
            false => row,
        }
    }

    /// The number of bytes that may be sent.
    fn bytes_left(&self) -> u64 {
        self.most_bytes.saturating_sub(self.common.sent())
    }

    fn wire(&self) -> Result<Wire, Trouble> {
        self.wire_to(&self.builder, &self.addresses)
    }

    fn wire_to(&self, builder: &ClientBuilder, addresses: &[SocketAddr]) -> Result<Wire, Trouble> {
        Wire::connect(builder, addresses, self.patience, &self.common)
    }
}
