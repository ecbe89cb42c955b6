//! The reasons for which a test stops before its end.

use std::fmt;

/// A reason for which a test stops before its end.
#[derive(Clone, Debug)]
pub enum Stop {
    /// The test is about something that its subject is not meant to have.
    NotApplicable(String),
    /// The machine lacks something.
    Skipped {
        /// The thing that is lacking.
        why: String,
        /// The command that mends it.
        enable: String,
    },
    /// The subject did not do what it must.
    Failed(String),
}

impl Stop {
    /// Puts the place before the text of a failure.
    #[must_use]
    pub fn at(self, place: &str) -> Self {
        match self {
            Self::Failed(why) => Self::Failed(format!("{place}: {why}")),
            other => other,
        }
    }

    /// Adds a line to a failure.
    #[must_use]
    pub fn with(self, line: &str) -> Self {
        match self {
            Self::Failed(why) => Self::Failed(format!("{why}\n{line}")),
            other => other,
        }
    }

    /// A skip for something that the machine lacks, and the command that mends it.
    #[must_use]
    pub fn skipped(why: impl Into<String>, enable: impl Into<String>) -> Self {
        Self::Skipped {
            why: why.into(),
            enable: enable.into(),
        }
    }

    /// A skip for a program that the machine lacks, which a Debian package brings.
    #[must_use]
    pub fn no_program(program: &str, package: &str) -> Self {
        Self::skipped(
            format!("there is no program `{program}`"),
            format!("apt-get install {package}"),
        )
    }

    /// A skip from an error whose first line says what is lacking, and whose other lines say what
    /// mends it.
    #[must_use]
    pub fn lacking(error: &str) -> Self {
        let (why, enable) = error.split_once('\n').unwrap_or((error, "run it as root"));
        Self::skipped(why, enable.split_whitespace().collect::<Vec<_>>().join(" "))
    }
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotApplicable(why) => write!(f, "not applicable: {why}"),
            Self::Skipped { why, enable } => write!(f, "{why}; to run it: {enable}"),
            Self::Failed(why) => f.write_str(why),
        }
    }
}

/// True if `LINECHO_REQUIRE_ALL` is 1: nothing may be left out for what this machine lacks.
#[must_use]
pub fn everything_is_required() -> bool {
    std::env::var_os("LINECHO_REQUIRE_ALL").is_some_and(|value| value == "1")
}
