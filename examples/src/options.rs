//! The options that echo-server and echo-tap share.

use std::io;
use std::time::Duration;

use clap::builder::BoolishValueParser;
use clap::{ArgAction, Args, ValueEnum};
use linecho_std::{Config, LongLines};

use crate::command_line::{self, Given};
use crate::log::{Format, Level, Log};

/// Limits of a session, and of a stop.
#[derive(Args, Clone, Debug)]
pub struct SessionOptions {
    /// The longest line that goes back in one piece, its newline included
    #[arg(
        long,
        value_name = "BYTES",
        env = "LINECHO_MAX_LINE",
        default_value = "64KiB",
        value_parser = command_line::bytes
    )]
    pub max_line: u32,

    /// Policy for a longer line
    #[arg(
        long,
        value_name = "POLICY",
        env = "LINECHO_LONG_LINES",
        ignore_case = true,
        default_value = "flush"
    )]
    pub long_lines: Policy,

    /// Close a connection on which nothing went back for so long, for example 90s or 5m; 0s is
    /// never [default: never]
    #[arg(long, value_name = "TIME", env = "LINECHO_IDLE_TIMEOUT")]
    #[arg(value_parser = command_line::duration)]
    pub idle_timeout: Option<Duration>,

    /// Close a connection whose peer takes nothing of its echo for so long; 0s is never
    /// [default: never]
    #[arg(long, value_name = "TIME", env = "LINECHO_WRITE_TIMEOUT")]
    #[arg(value_parser = command_line::duration)]
    pub write_timeout: Option<Duration>,

    /// When stopping, wait at most so long for peers to receive the rest; 0s is no limit
    #[arg(
        long,
        value_name = "TIME",
        env = "LINECHO_DRAIN_TIMEOUT",
        default_value = "5s"
    )]
    #[arg(value_parser = command_line::duration)]
    pub drain_timeout: Duration,

    /// Probe a peer that has been silent for so long (TCP keep-alive, whole seconds), and give it
    /// up after as long again. Choose less than the timeout of a NAT on the way; 0s is never
    #[arg(
        long,
        value_name = "TIME",
        env = "LINECHO_KEEP_ALIVE",
        default_value = "60s",
        value_parser = command_line::keep_alive
    )]
    pub keep_alive: Duration,
}

impl SessionOptions {
    /// Returns the configuration of each session. A timeout of zero is none.
    #[must_use]
    pub fn config(&self) -> Config {
        Config::new()
            .long_lines(self.long_lines.into())
            .idle_timeout(self.idle_timeout)
            .write_timeout(self.write_timeout)
    }
}

/// The wait for the next event.
#[derive(Args, Clone, Debug)]
pub struct WaitOptions {
    /// Go on asking for so long after the last event before sleeping, at most 1s. A line that comes
    /// meanwhile waits for no wake-up, and a core is busy for it; 50us suit clients on this
    /// machine. More threads than cores never do; 0s is none
    #[arg(
        long,
        value_name = "TIME",
        env = "LINECHO_SPIN",
        default_value = "0s",
        value_parser = command_line::spin
    )]
    pub spin: Duration,
}

/// Policies for a line that is longer than `--max-line`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Policy {
    /// It goes back in pieces
    Flush,
    /// It is dropped
    Discard,
    /// Its connection is closed
    Close,
}

impl From<Policy> for LongLines {
    fn from(policy: Policy) -> Self {
        match policy {
            Policy::Flush => Self::Flush,
            Policy::Discard => Self::Discard,
            Policy::Close => Self::Close,
        }
    }
}

/// The log on stderr.
#[derive(Args, Clone, Debug)]
pub struct LogOptions {
    /// Log more; twice: also what peers send
    #[arg(short, long, env = "LINECHO_VERBOSE", action = ArgAction::Count)]
    #[arg(value_parser = command_line::verbosity)]
    pub verbose: u8,

    /// Log only warnings
    #[arg(short, long, env = "LINECHO_QUIET", value_parser = BoolishValueParser::new())]
    pub quiet: bool,

    /// Format of the log
    #[arg(
        long,
        value_name = "FORMAT",
        env = "LINECHO_LOG_FORMAT",
        ignore_case = true,
        default_value = "text"
    )]
    pub log_format: Format,
}

impl LogOptions {
    /// Lets an option of the command line prevail over a variable that says the opposite.
    ///
    /// # Errors
    ///
    /// When the command line asks for more and for less.
    pub fn settle(&mut self, given: &Given<'_>) -> Result<(), String> {
        match (given.has("verbose"), given.has("quiet")) {
            (true, true) => {
                return Err("--verbose logs more, --quiet less: give one of them".into());
            }
            (true, false) => self.quiet = false,
            (false, true) => self.verbose = 0,
            (false, false) => {}
        }
        Ok(())
    }

    /// Starts the log that is asked for.
    ///
    /// # Errors
    ///
    /// When the system has no thread left.
    pub fn start(&self) -> io::Result<Log> {
        let level = match self.verbose {
            _ if self.quiet => Level::Warning,
            0 => Level::Info,
            1 => Level::Debug,
            _ => Level::Content,
        };
        Log::start(self.log_format, level)
    }
}
