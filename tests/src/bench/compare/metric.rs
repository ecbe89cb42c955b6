//! The quantities that the comparison measures.

/// A quantity that is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Metric {
    /// Lines echoed in a second.
    LinesPerSecond,
    /// Seconds of server CPU time for a million lines.
    CpuPerMillionLines,
    /// Median latency of a line, in microseconds.
    P50,
    /// The latency that one line in a hundred exceeds, in microseconds.
    P99,
    /// The one divided by the other.
    Spread,
    /// Connections of a burst established in a second.
    Opened,
    /// Connections of a burst established and served in a second.
    Served,
    /// Bytes of server memory for a connection that nothing came over.
    MemoryFresh,
    /// Bytes of server memory for a connection after a line.
    MemoryAfterLine,
    /// System calls of the server for a line.
    SystemCalls,
    /// Microseconds of server CPU time to open a connection.
    CpuToOpen,
    /// Microseconds of server CPU time for a line to each connection in turn.
    CpuInTurn,
    /// Microseconds of server CPU time to close a connection.
    CpuToClose,
    /// CPU time of the server in percent of a core, from one second after the last line on.
    IdleCpu,
}

impl Metric {
    /// Its name for scripts.
    #[must_use]
    pub fn id(self) -> &'static str {
        match self {
            Self::LinesPerSecond => "lines_per_second",
            Self::CpuPerMillionLines => "cpu_seconds_per_million_lines",
            Self::P50 => "latency_p50_us",
            Self::P99 => "latency_p99_us",
            Self::Spread => "latency_p99_to_p50",
            Self::Opened => "opened_per_second",
            Self::Served => "served_per_second",
            Self::MemoryFresh => "bytes_fresh",
            Self::MemoryAfterLine => "bytes_after_line",
            Self::SystemCalls => "system_calls_per_line",
            Self::CpuToOpen => "cpu_us_to_open",
            Self::CpuInTurn => "cpu_us_for_a_line_in_turn",
            Self::CpuToClose => "cpu_us_to_close",
            Self::IdleCpu => "idle_cpu_percent",
        }
    }

    /// Its name for people.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::LinesPerSecond => "lines per second",
            Self::CpuPerMillionLines => "CPU seconds per million lines",
            Self::P50 => "p50",
            Self::P99 => "p99",
            Self::Spread => "p99 / p50",
            Self::Opened => "opened per second",
            Self::Served => "opened and served per second",
            Self::MemoryFresh => "bytes each, fresh",
            Self::MemoryAfterLine => "bytes each, after one line",
            Self::SystemCalls => "system calls per line",
            Self::CpuToOpen => "CPU to open one",
            Self::CpuInTurn => "CPU for a line to each in turn",
            Self::CpuToClose => "CPU to close one",
            Self::IdleCpu => "percent of a core, one second after the last line",
        }
    }
}
