//! The result of a run: text for people, JSON for scripts.

use std::fmt;
use std::time::Duration;

use hdrhistogram::Histogram;
use linecho_devices::faulty;
use linecho_examples::words::shown;
use serde_json::{Value, json};

/// The longest round trip that is told from longer ones.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// The result of a run.
#[derive(Clone, Debug)]
pub(crate) struct Figures {
    /// Lines that came back.
    pub(crate) lines: u64,
    /// Bytes that came back.
    pub(crate) bytes: u64,
    /// The time that it took, by the clock of the stack.
    pub(crate) time: Duration,
    /// The time that it took on the wall, if the stack has a clock of its own.
    pub(crate) wall_time: Option<Duration>,
    /// The round-trip times of the lines.
    pub(crate) round_trips: RoundTrips,
    /// The fate of the frames, if the link had faults.
    pub(crate) link: Option<faulty::Counters>,
    /// Bytes of memory, by part.
    pub(crate) memory: Vec<Part>,
}

/// The memory of one part of the stack.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Part {
    /// Its name.
    pub(crate) name: &'static str,
    /// The number of such parts.
    pub(crate) count: usize,
    /// The bytes that each of them takes.
    pub(crate) bytes_each: usize,
}

impl Part {
    const fn bytes(&self) -> usize {
        self.count * self.bytes_each
    }
}

/// The distribution of round-trip times, to three digits.
#[derive(Clone, Debug)]
pub(crate) struct RoundTrips(Histogram<u64>);

impl RoundTrips {
    /// None yet.
    ///
    /// # Errors
    ///
    /// Never, since the bounds are constants that are valid.
    pub(crate) fn new() -> Result<Self, hdrhistogram::CreationError> {
        Histogram::new_with_max(LONGEST.as_micros() as u64, 3).map(Self)
    }

    /// Takes in one, in whole microseconds.
    pub(crate) fn add(&mut self, time: Duration) {
        self.0
            .saturating_record(u64::try_from(time.as_micros()).unwrap_or(u64::MAX));
    }

    /// Their name, and the time that so many of them took at most.
    fn percentiles(&self) -> [(&'static str, u64); 4] {
        let at = |quantile| self.0.value_at_quantile(quantile);
        let max = self.0.max();
        [
            ("p50", at(0.5).min(max)),
            ("p90", at(0.9).min(max)),
            ("p99", at(0.99).min(max)),
            ("max", max),
        ]
    }
}

impl Figures {
    fn per_second(&self, count: u64) -> f64 {
        // A clock that has not moved: less than its unit.
        let time = self.time.max(Duration::from_micros(1));
        count as f64 / time.as_secs_f64()
    }

    fn memory_in_all(&self) -> usize {
        self.memory.iter().map(Part::bytes).sum()
    }

    /// The same, for scripts. Times are in microseconds.
    #[must_use]
    pub(crate) fn json(&self) -> Value {
        let round_trips = self.round_trips.percentiles();
        let memory = self
            .memory
            .iter()
            .map(|part| (part.name.to_owned(), part.bytes().into()));
        json!({
            "lines": self.lines,
            "bytes": self.bytes,
            "time_us": self.time.as_micros() as u64,
            "is_virtual_time": self.wall_time.is_some(),
            "lines_per_second": self.per_second(self.lines),
            "bytes_per_second": self.per_second(self.bytes),
            "round_trip_us": round_trips.map(|(name, time)| (name.to_owned(), time.into()))
                .into_iter().collect::<serde_json::Map<_, _>>(),
            "memory_bytes": memory.collect::<serde_json::Map<_, _>>(),
            "memory_bytes_in_all": self.memory_in_all(),
            "frames": self.link.map(|link| json!({
                "sent": link.sent,
                "lost": link.lost,
                "corrupted": link.corrupted,
                "held_back": link.held_back,
                "duplicated": link.duplicated,
                "overflowed": link.overflowed,
            })),
        })
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (lines, bytes) = (grouped(self.lines, "line"), grouped(self.bytes, "byte"));
        writeln!(
            f,
            "exact        {lines}, {bytes}: each came back as it was sent"
        )?;
        if let Some(link) = &self.link {
            writeln!(
                f,
                "link         {} sent, {} lost, {} corrupted, {} held back, {} duplicated, {} overflowed",
                grouped(link.sent, "frame"),
                Grouped(link.lost),
                Grouped(link.corrupted),
                Grouped(link.held_back),
                Grouped(link.duplicated),
                Grouped(link.overflowed),
            )?;
        }
        let seconds = self.time.as_secs_f64();
        match self.wall_time {
            None => writeln!(f, "time         {seconds:.3} s")?,
            Some(wall) => writeln!(
                f,
                "time         {seconds:.3} s of virtual time, as are the figures below; it took {:.3} s",
                wall.as_secs_f64()
            )?,
        }
        writeln!(
            f,
            "throughput   {} lines/s, {:.3} MB/s each way",
            Grouped(self.per_second(self.lines) as u64),
            self.per_second(self.bytes) / 1e6
        )?;
        write!(f, "round trip ")?;
        for (name, micros) in self.round_trips.percentiles() {
            write!(f, "  {name} {:.3} ms", micros as f64 / 1e3)?;
        }
        writeln!(
            f,
            "\nmemory       {} bytes, without the frames on the link:",
            Grouped(self.memory_in_all() as u64)
        )?;
        for part in &self.memory {
            writeln!(
                f,
                "{:>13}  {} ({} × {})",
                Grouped(part.bytes() as u64).to_string(),
                part.name,
                part.count,
                Grouped(part.bytes_each as u64),
            )?;
        }
        Ok(())
    }
}

/// Returns a number with what it counts, such as `2,000 lines`.
pub(crate) fn grouped(number: u64, one: &str) -> String {
    shown(number, Grouped(number), one)
}

/// A number with commas between its thousands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Grouped(pub u64);

impl fmt::Display for Grouped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.0.to_string();
        for (index, digit) in digits.char_indices() {
            if index > 0 && (digits.len() - index).is_multiple_of(3) {
                f.write_str(",")?;
            }
            write!(f, "{digit}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped() {
        let texts = [0, 999, 1000, 1_234_567].map(|n| Grouped(n).to_string());
        assert_eq!(texts, ["0", "999", "1,000", "1,234,567"]);
    }

    #[test]
    fn text_and_json_say_the_same() {
        let mut round_trips = RoundTrips::new().expect("valid bounds");
        for millis in 1..=100 {
            round_trips.add(Duration::from_millis(millis));
        }
        let figures = Figures {
            lines: 5000,
            bytes: 1_000_000,
            time: Duration::from_millis(500),
            wall_time: None,
            round_trips,
            link: None,
            memory: vec![Part {
                name: "sessions",
                count: 4,
                bytes_each: 300,
            }],
        };
        let text = figures.to_string();
        for part in [
            "5,000 lines, 1,000,000 bytes",
            "10,000 lines/s, 2.000 MB/s",
            "max 100.",
            "1,200  sessions (4 × 300)",
        ] {
            assert!(text.contains(part), "{part} is not in:\n{text}");
        }
        let json = figures.json();
        assert_eq!(json["lines_per_second"], 10_000.0);
        assert_eq!(json["memory_bytes"]["sessions"], 1200);
        let p50 = json["round_trip_us"]["p50"].as_u64();
        assert!(p50.is_some_and(|p50| (49_900..50_100).contains(&p50)));
    }
}
