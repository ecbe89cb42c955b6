//! The figures of a ping: what came back, how fast, and the times without service.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use crate::{Backends, Cause};

/// A reply that takes at least as long counts as an outage.
const OUTAGE: Duration = Duration::from_secs(1);

/// A time without service, from when the first lost line was due, or the connection ended, to the
/// next line that came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Outage {
    /// The time at which it began.
    pub began: SystemTime,
    /// The time that it took.
    pub length: Duration,
    /// True if it was over.
    pub over: bool,
}

/// The figures of a [`Ping`](crate::Ping).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PingStats {
    /// Lines that were sent, or could not be.
    pub sent: u64,
    /// Lines that came back right.
    pub echoed: u64,
    /// Lines that will not come back. Those that are neither echoed nor lost are on their way.
    pub lost: u64,
    /// The number of connections.
    pub connections: u64,
    /// Losses by reason.
    pub causes: BTreeMap<Cause, u64>,
    /// The servers that have answered, as far as they identify themselves.
    pub backends: Backends,
    /// The round-trip times.
    pub round_trips: RoundTrips,
    /// Outages that are over, in order.
    outages: Vec<Outage>,
    /// An outage that is not.
    out_since: Option<(SystemTime, Instant)>,
    pub(super) began: Instant,
}

impl PingStats {
    pub(super) fn new() -> Self {
        Self {
            sent: 0,
            echoed: 0,
            lost: 0,
            connections: 0,
            causes: BTreeMap::new(),
            backends: Backends::default(),
            round_trips: RoundTrips::default(),
            outages: Vec::new(),
            out_since: None,
            began: Instant::now(),
        }
    }

    /// The time since the first line was due.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// The outages, in order, with the one that is not over.
    #[must_use]
    pub fn outages(&self) -> Vec<Outage> {
        let current = self.out_since.map(|(began, since)| Outage {
            began,
            length: since.elapsed(),
            over: false,
        });
        self.outages.iter().copied().chain(current).collect()
    }

    pub(super) fn fail(&mut self, since: Instant) {
        let began = SystemTime::now() - since.elapsed();
        self.out_since.get_or_insert((began, since));
    }

    /// Takes in a reply to a line that was due then. Returns the outage that it ends.
    pub(super) fn reply(&mut self, due: Instant, round_trip: Duration) -> Option<Outage> {
        self.echoed += 1;
        self.round_trips.record(round_trip);
        if due.elapsed() >= OUTAGE && !self.is_in_last_outage(due) {
            self.fail(due);
        }
        let (began, since) = self.out_since.take()?;
        let outage = Outage {
            began,
            length: since.elapsed(),
            over: true,
        };
        self.outages.push(outage);
        Some(outage)
    }

    /// Lines that were due while one was awaited come back with it.
    fn is_in_last_outage(&self, due: Instant) -> bool {
        let last = self.outages.last();
        last.is_some_and(|last| SystemTime::now() - due.elapsed() < last.began + last.length)
    }
}

/// Figures of many round-trip times, which need no memory for each. Percentiles do: record what
/// [`PingEvent::Reply`](crate::PingEvent::Reply) brings where you need them.
#[derive(Clone, Copy, Debug, Default)]
pub struct RoundTrips {
    count: u64,
    min: Duration,
    max: Duration,
    /// In seconds.
    mean: f64,
    /// The sum of squared differences from the mean (Welford's method).
    squares: f64,
}

impl RoundTrips {
    fn record(&mut self, time: Duration) {
        self.count += 1;
        self.max = self.max.max(time);
        self.min = match self.count {
            1 => time,
            _ => self.min.min(time),
        };
        let difference = time.as_secs_f64() - self.mean;
        self.mean += difference / self.count as f64;
        self.squares += difference * (time.as_secs_f64() - self.mean);
    }

    /// The shortest; zero if there is none.
    #[must_use]
    pub fn min(&self) -> Duration {
        self.min
    }

    /// The average.
    #[must_use]
    pub fn mean(&self) -> Duration {
        Duration::from_secs_f64(self.mean)
    }

    /// The longest.
    #[must_use]
    pub fn max(&self) -> Duration {
        self.max
    }

    /// The standard deviation.
    #[must_use]
    pub fn deviation(&self) -> Duration {
        Duration::from_secs_f64((self.squares / self.count.max(1) as f64).max(0.0).sqrt())
    }
}

/// The figures of a [`Ping`](crate::Ping), for another thread.
#[derive(Clone, Debug)]
pub struct PingView(Arc<Mutex<PingStats>>);

impl PingView {
    pub(super) fn new() -> Self {
        Self(Arc::new(Mutex::new(PingStats::new())))
    }

    /// The figures as they are now.
    #[must_use]
    pub fn get(&self) -> PingStats {
        self.lock().clone()
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, PingStats> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trips_are_summed_up() {
        let mut round_trips = RoundTrips::default();
        for millis in [2, 4, 4, 4, 5, 5, 7, 9] {
            round_trips.record(Duration::from_millis(millis));
        }
        let nanos = [
            round_trips.min(),
            round_trips.mean(),
            round_trips.max(),
            round_trips.deviation(),
        ]
        .map(|time| time.as_secs_f64() * 1e3);
        for (nanos, expected) in nanos.iter().zip([2.0, 5.0, 9.0, 2.0]) {
            assert!((nanos - expected).abs() < 1e-6, "{nanos} {expected}");
        }
    }

    #[test]
    fn a_long_wait_is_one_outage_however_many_lines_it_held_up() {
        let mut stats = PingStats::new();
        let Some(first) = Instant::now().checked_sub(Duration::from_secs(2)) else {
            return;
        };
        for i in 0..10 {
            let due = first + i * Duration::from_millis(100);
            stats.reply(due, due.elapsed());
        }
        let outages = stats.outages();
        assert_eq!(outages.len(), 1);
        assert!(outages[0].over && outages[0].length >= Duration::from_secs(2));
    }
}
