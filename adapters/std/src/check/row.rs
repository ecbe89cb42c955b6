//! Questions and their answers.

use std::fmt;

use super::wire::Trouble;

/// A question about a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Question {
    /// Which addresses answer, and how fast.
    Addresses,
    /// The service at the other end.
    Echo,
    /// The options that the connection's TCPs agreed on.
    Tcp,
    /// If all bytes come back as they were.
    Bytes,
    /// If a line in pieces of a byte comes back whole.
    Pieces,
    /// If the shortest lines come back by themselves.
    ShortLines,
    /// If a line in two writes takes longer than in one.
    SmallWrites,
    /// If segments of all sizes arrive.
    Segments,
    /// The longest line that comes back whole.
    LongLines,
    /// If a long stream comes back intact.
    Stream,
    /// If one connection stays with one server.
    OneServer,
    /// If a half-close is passed on.
    HalfClose,
    /// If what is on its way back survives a half-close.
    InFlight,
    /// The end of a connection.
    Ending,
    /// Round-trip times, idle and beside a busy connection.
    Latency,
    /// The number of bytes that the path takes from a client that reads nothing.
    Buffering,
    /// The number of connections that there can be at once.
    Connections,
    /// If a local port can be used again at once.
    LocalPort,
    /// If the server sees a reset as one.
    Reset,
    /// If an idle connection lives.
    Idle,
}

impl Question {
    /// A short name in lower case.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Addresses => "addresses",
            Self::Echo => "echo",
            Self::Tcp => "tcp",
            Self::Bytes => "bytes",
            Self::Pieces => "pieces",
            Self::ShortLines => "short lines",
            Self::SmallWrites => "small writes",
            Self::Segments => "segments",
            Self::LongLines => "long lines",
            Self::Stream => "stream",
            Self::OneServer => "one server",
            Self::HalfClose => "half-close",
            Self::InFlight => "data in flight",
            Self::Ending => "ending",
            Self::Latency => "latency",
            Self::Buffering => "buffering",
            Self::Connections => "connections",
            Self::LocalPort => "local port",
            Self::Reset => "reset",
            Self::Idle => "idle",
        }
    }
}

/// A judgement about an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Grade {
    /// As on a plain connection.
    Good,
    /// The contract holds, but it costs time, memory, or knowledge of the end.
    Poor,
    /// The contract of a line echo does not hold.
    Bad,
    /// It could not be found out.
    Unknown,
}

/// A number with its unit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Figure {
    /// The number.
    pub value: f64,
    /// Its unit, such as `ms` or `bytes`.
    pub unit: &'static str,
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { value, unit } = self;
        match *unit {
            "bytes" if *value >= f64::from(1 << 20) => {
                write!(f, "{:.1} MiB", value / f64::from(1 << 20))
            }
            "bytes" if *value >= 10_240.0 => write!(f, "{:.1} KiB", value / 1024.0),
            "ms" | "s" => write!(f, "{value:.3} {unit}"),
            _ => write!(f, "{value:.0} {unit}"),
        }
    }
}

/// The answer to a question.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Row {
    /// The question.
    pub question: Question,
    /// True if that is as it should be.
    pub grade: Grade,
    /// The answer in a word or two, the same for the same finding.
    pub verdict: &'static str,
    /// The number that belongs to it.
    pub figure: Option<Figure>,
    /// The observation.
    pub found: String,
}

impl Row {
    pub(super) fn new(question: Question, grade: Grade, verdict: &'static str) -> Self {
        Self {
            question,
            grade,
            verdict,
            figure: None,
            found: String::new(),
        }
    }

    pub(super) fn figure(mut self, value: f64, unit: &'static str) -> Self {
        self.figure = Some(Figure { value, unit });
        self
    }

    pub(super) fn found(mut self, text: impl Into<String>) -> Self {
        self.found = text.into();
        self
    }

    /// The answer when something came between that the question is not about.
    pub(super) fn trouble(question: Question, trouble: &Trouble) -> Self {
        Self::new(question, Grade::Bad, trouble.word()).found(trouble.to_string())
    }
}
