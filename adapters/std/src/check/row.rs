//! Questions and their answers.

use std::fmt;

use super::wire::Trouble;

/// A question about a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Question {
    /// The addresses that answer, and their connect times.
    Addresses,
    /// The service at the other end.
    Echo,
    /// The options that the connection's TCPs agreed on.
    Tcp,
    /// The return of every byte value, unchanged.
    Bytes,
    /// The return of a line that is sent byte by byte.
    Pieces,
    /// The return of the shortest lines, without more data behind them.
    ShortLines,
    /// The delay of a line that is sent in two writes.
    SmallWrites,
    /// The arrival of segments of all sizes.
    Segments,
    /// The longest line that comes back whole.
    LongLines,
    /// The return of a long stream, intact.
    Stream,
    /// The stay of one connection with one server.
    OneServer,
    /// The passing on of a half-close.
    HalfClose,
    /// The return of data that is in flight at a half-close.
    InFlight,
    /// The end of a connection.
    Ending,
    /// Round-trip times, idle and beside a busy connection.
    Latency,
    /// The number of bytes that the path takes from a client that reads nothing.
    Buffering,
    /// The number of connections that there can be at once.
    Connections,
    /// The reuse of a local port at once.
    LocalPort,
    /// The passing on of a client's half-close, as the server counts it.
    HalfCloseSeen,
    /// The passing on of a client's reset to the server.
    Reset,
    /// The servers that answered, of those that identify themselves.
    Backends,
    /// The client's address as the server sees it, and the PROXY header that names it.
    ProxyHeader,
    /// The survival of an idle connection.
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
            Self::HalfCloseSeen => "half-close seen",
            Self::Reset => "reset",
            Self::Backends => "backends",
            Self::ProxyHeader => "PROXY header",
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
            _ if format!("{value:.0}") == "1" => {
                write!(f, "1 {}", unit.strip_suffix('s').unwrap_or(unit))
            }
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
    /// The judgement about the answer.
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

    /// Answers with the fault that kept the question from being tested.
    pub(super) fn trouble(question: Question, trouble: &Trouble) -> Self {
        Self::new(question, Grade::Bad, trouble.word()).found(trouble.to_string())
    }
}
