//! A line each interval: how fast it comes back, and when it does not.

mod stats;

use std::collections::VecDeque;
use std::thread;
use std::time::{Duration, Instant};

use super::Client;
use super::connect::ClientBuilder;
use super::error::{Cause, ClientError, ConnectError};
use super::target::Target;
use crate::{Backend, Endpoint};
pub use stats::{Outage, PingStats, PingView, RoundTrips};

/// The time at which a [`Ping`] connects again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reconnect {
    /// For each line.
    Each,
    /// After a failure.
    #[default]
    OnError,
    /// Never: it ends with its connection.
    Never,
}

/// Sends a line each interval and verifies what comes back.
///
/// Lines are sent when they are due, also while others have not come back.
#[derive(Debug)]
pub struct Ping<T> {
    server: T,
    builder: ClientBuilder,
    interval: Duration,
    size: usize,
    reconnect: Reconnect,
    timeout: Duration,
    stats: PingView,
    connection: Option<Client>,
    /// The number of its server, once it has identified itself.
    backend: Option<usize>,
    /// The lines that have not come back: number, and when they were due.
    in_flight: VecDeque<(u64, Instant)>,
}

/// Something that happened in a [`Ping`].
#[derive(Debug)]
#[non_exhaustive]
pub enum PingEvent {
    /// There is a new connection.
    Connected {
        /// The server's address.
        peer: Endpoint,
        /// The time that connecting took.
        took: Duration,
    },
    /// A line came back.
    Reply {
        /// Its number, from 1.
        number: u64,
        /// Its length in bytes, the newline included.
        bytes: usize,
        /// The time that it took.
        round_trip: Duration,
        /// The server, if it has identified itself.
        backend: Option<Backend>,
    },
    /// Lines are lost.
    Lost {
        /// The numbers of the first and the last of them; none when an idle connection ended.
        numbers: Option<(u64, u64)>,
        /// The reason in one word.
        cause: Cause,
        /// The reason in words.
        reason: String,
    },
    /// A line came back after an outage.
    Recovered(Outage),
}

impl<T: Target> Ping<T> {
    /// Prepares to ping `server`, on connections that `builder` makes: a line of 64 bytes each
    /// second, which may take as long as the timeout of `builder`.
    #[must_use]
    pub fn new(server: T, builder: &ClientBuilder) -> Self {
        Self {
            server,
            builder: builder.clone(),
            interval: Duration::from_secs(1),
            size: 64,
            reconnect: Reconnect::default(),
            timeout: builder.timeout,
            stats: PingView::new(),
            connection: None,
            backend: None,
            in_flight: VecDeque::new(),
        }
    }

    /// Sets the time between two lines.
    #[must_use]
    pub fn interval(mut self, interval: Duration) -> Self {
        self.interval = interval;
        self
    }

    /// Sets the length of a line in bytes, its newline included: from 1 to 32 KiB.
    #[must_use]
    pub fn size(mut self, size: usize) -> Self {
        self.size = size.clamp(1, 32 * 1024);
        self
    }

    /// Sets when to connect again.
    #[must_use]
    pub fn reconnect(mut self, reconnect: Reconnect) -> Self {
        self.reconnect = reconnect;
        self
    }

    /// Returns a view of the figures for another thread.
    #[must_use]
    pub fn stats(&self) -> PingView {
        self.stats.clone()
    }

    /// Sends `count` lines, or without end; stops after `limit` if there is one. Waits for the last
    /// lines to come back.
    pub fn run(
        &mut self,
        count: Option<u64>,
        limit: Option<Duration>,
        mut on_event: impl FnMut(&PingEvent),
    ) {
        let began = Instant::now();
        self.stats.lock().began = began;
        let end = limit.map(|limit| began + limit);
        let is_over = |now: Instant| end.is_some_and(|end| now >= end);
        let mut due = began;
        let mut number = 0;
        while count.is_none_or(|count| number < count) && !is_over(Instant::now()) {
            number += 1;
            self.send(number, due, &mut on_event);
            if self.reconnect == Reconnect::Each {
                self.finish(end, &mut on_event);
                self.connection = None;
            }
            if self.connection.is_none() && self.reconnect == Reconnect::Never {
                return;
            }
            if Some(number) == count {
                break;
            }
            // What could not be sent in time is not made up for.
            due = (due + self.interval).max(Instant::now());
            let until = end.map_or(due, |end| end.min(due));
            self.watch(until, &mut on_event);
        }
        self.finish(end, &mut on_event);
    }

    fn send(&mut self, number: u64, due: Instant, on_event: &mut impl FnMut(&PingEvent)) {
        self.stats.lock().sent += 1;
        if self.connection.is_none() && !self.connect(number, due, on_event) {
            return;
        }
        let line = line(number, self.size);
        if self.connection.as_mut().is_some_and(|it| it.post(&line)) {
            self.in_flight.push_back((number, due));
        } else {
            self.lose(
                Some((number, number)),
                due,
                Cause::Timeout,
                "as many lines are on their way as can be".into(),
                on_event,
            );
        }
    }

    fn connect(
        &mut self,
        number: u64,
        due: Instant,
        on_event: &mut impl FnMut(&PingEvent),
    ) -> bool {
        let began = Instant::now();
        let connected = self.server.connect(&self.builder);
        match connected.and_then(|client| {
            let peer = client.peer();
            peer.map(|peer| (client, peer)).map_err(ConnectError::SetUp)
        }) {
            Ok((client, peer)) => {
                self.connection = Some(client);
                self.backend = None;
                self.stats.lock().connections += 1;
                let took = began.elapsed();
                on_event(&PingEvent::Connected { peer, took });
                true
            }
            Err(error) => {
                let (cause, reason) = (error.cause(), error.to_string());
                self.lose(Some((number, number)), due, cause, reason, on_event);
                false
            }
        }
    }

    /// Waits until then, while lines come back.
    fn watch(&mut self, until: Instant, on_event: &mut impl FnMut(&PingEvent)) {
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let Some(connection) = &mut self.connection else {
                return thread::sleep(left);
            };
            let given_up = match self.in_flight.front() {
                Some((_, due)) if !self.timeout.is_zero() => {
                    self.timeout.saturating_sub(due.elapsed())
                }
                _ => Duration::MAX,
            };
            let mut replies = Vec::new();
            let result = connection.watch(left.min(given_up), |took| replies.push(took));
            self.take(&replies, on_event);
            match result {
                Err(error) => self.fail(&error, on_event),
                Ok(()) if left <= given_up => return,
                Ok(()) => self.give_up(on_event),
            }
        }
    }

    /// Waits for the lines that are on their way.
    fn finish(&mut self, end: Option<Instant>, on_event: &mut impl FnMut(&PingEvent)) {
        while let (Some((_, due)), Some(connection)) =
            (self.in_flight.front(), &mut self.connection)
        {
            let given_up = match self.timeout.is_zero() {
                true => Duration::MAX,
                false => self.timeout.saturating_sub(due.elapsed()),
            };
            let left = end.map_or(Duration::MAX, |end| {
                end.saturating_duration_since(Instant::now())
            });
            let mut replies = Vec::new();
            let result = connection.finish(left.min(given_up), |took| replies.push(took));
            self.take(&replies, on_event);
            match result {
                Ok(true) => return,
                Ok(false) if left < given_up => return,
                Ok(false) => self.give_up(on_event),
                Err(error) => self.fail(&error, on_event),
            }
        }
    }

    fn take(&mut self, replies: &[Duration], on_event: &mut impl FnMut(&PingEvent)) {
        let backend = self.count_backend(replies.len() as u64);
        for &round_trip in replies {
            let Some((number, due)) = self.in_flight.pop_front() else {
                return;
            };
            let recovered = self.stats.lock().reply(due, round_trip);
            if let Some(outage) = recovered {
                on_event(&PingEvent::Recovered(outage));
            }
            on_event(&PingEvent::Reply {
                number,
                bytes: self.size,
                round_trip,
                backend: backend.clone(),
            });
        }
    }

    /// Counts replies of the server, if it has identified itself.
    fn count_backend(&mut self, replies: u64) -> Option<Backend> {
        let identity = self.connection.as_ref()?.identity()?;
        let mut stats = self.stats.lock();
        let backends = &mut stats.backends;
        let connected = || backends.connected(&identity.backend);
        let number = *self.backend.get_or_insert_with(connected);
        backends.answered(number, replies);
        Some(backends.get(number).clone())
    }

    fn give_up(&mut self, on_event: &mut impl FnMut(&PingEvent)) {
        if let Some(Err(error)) = self.connection.as_mut().map(Client::end_beginning) {
            return self.fail(&error, on_event);
        }
        let reason = format!("nothing came back for {:?}", self.timeout);
        self.drop_connection(Cause::Timeout, reason, on_event);
    }

    fn fail(&mut self, error: &ClientError, on_event: &mut impl FnMut(&PingEvent)) {
        self.drop_connection(error.cause(), error.to_string(), on_event);
    }

    /// Counts what is on its way as lost.
    fn drop_connection(
        &mut self,
        cause: Cause,
        reason: String,
        on_event: &mut impl FnMut(&PingEvent),
    ) {
        self.connection = None;
        let first = self.in_flight.front().copied();
        let numbers = first
            .zip(self.in_flight.back())
            .map(|((first, _), (last, _))| (first, *last));
        self.in_flight.clear();
        let since = first.map_or_else(Instant::now, |(_, due)| due);
        self.lose(numbers, since, cause, reason, on_event);
    }

    fn lose(
        &self,
        numbers: Option<(u64, u64)>,
        since: Instant,
        cause: Cause,
        reason: String,
        on_event: &mut impl FnMut(&PingEvent),
    ) {
        let mut stats = self.stats.lock();
        stats.fail(since);
        let lost = numbers.map_or(0, |(first, last)| last - first + 1);
        stats.lost += lost;
        *stats.causes.entry(cause).or_default() += lost;
        drop(stats);
        on_event(&PingEvent::Lost {
            numbers,
            cause,
            reason,
        });
    }
}

/// A line of this length with its newline, which says what it is as far as there is room.
fn line(number: u64, size: usize) -> Vec<u8> {
    let mut line = format!("linecho ping {number} ").into_bytes();
    line.extend((b'a'..=b'z').cycle().take(size.saturating_sub(line.len())));
    line.truncate(size - 1);
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_have_the_length_that_is_asked_for() {
        for size in [1, 2, 15, 64, 32 * 1024] {
            assert_eq!(line(7, size).len() + 1, size);
        }
        assert!(line(7, 64).starts_with(b"linecho ping 7 a"));
    }
}
