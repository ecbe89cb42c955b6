//! Questions that a server's counters answer: whether it saw what the client did.

use std::thread;
use std::time::{Duration, Instant};

use super::row::{Grade, Question, Row};
use super::wire::{Trouble, Wire};
use super::{Check, ServerCounts};

/// A count of the server went up.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Seen {
    Fin,
    Reset,
    Nothing,
}

/// A question without an answer.
enum NoAnswer {
    /// The server does not tell its counts.
    Untold,
    Trouble(Trouble),
}

impl Check {
    /// Half-closes a connection and keeps it, and asks the server what it saw.
    pub(super) fn half_close_seen(&self) -> Row {
        let question = Question::HalfCloseSeen;
        let seen = self.seen(|wire| {
            wire.half_close()?;
            Ok(Some(wire))
        });
        match seen {
            Ok(Seen::Fin) => Row::new(question, Grade::Good, "seen"),
            Ok(Seen::Reset) => Row::new(question, Grade::Poor, "seen as RST")
                .found("something on the way resets the server's connection when we half-close"),
            Ok(Seen::Nothing) => Row::new(question, Grade::Poor, "not seen").found(format!(
                "the server has not noticed it within {:?}, and our connection stayed open",
                self.patience
            )),
            Err(no_answer) => no_answer.row(question),
        }
    }

    /// Resets a connection, and asks the server what it saw.
    pub(super) fn reset(&self) -> Row {
        let question = Question::Reset;
        let seen = self.seen(|wire| {
            wire.reset();
            Ok(None)
        });
        match seen {
            Ok(Seen::Reset) => Row::new(question, Grade::Good, "seen as RST"),
            Ok(Seen::Fin) => Row::new(question, Grade::Poor, "seen as FIN")
                .found("the server cannot tell a client that broke off from one that ended"),
            Ok(Seen::Nothing) => Row::new(question, Grade::Poor, "not seen").found(format!(
                "the server has not noticed it within {:?}",
                self.patience
            )),
            Err(no_answer) => no_answer.row(question),
        }
    }

    /// Ends a connection on which a line is back, and waits until the server counts that.
    fn seen(
        &self,
        end: impl FnOnce(Wire) -> Result<Option<Wire>, Trouble>,
    ) -> Result<Seen, NoAnswer> {
        let mut wire = self.wire()?;
        wire.echo(b"before its end\n")?;
        let before = self.settled_counts()?;
        let _kept = end(wire)?;
        let began = Instant::now();
        while began.elapsed() < self.patience {
            let after = self.ask_counts()?;
            if after.reset > before.reset {
                return Ok(Seen::Reset);
            }
            if after.closed > before.closed {
                return Ok(Seen::Fin);
            }
            thread::sleep(Duration::from_millis(50));
        }
        Ok(Seen::Nothing)
    }

    /// Returns the counts when they stay the same for a moment: earlier connections may be on their
    /// way to their end.
    fn settled_counts(&self) -> Result<ServerCounts, NoAnswer> {
        let began = Instant::now();
        let mut counts = self.ask_counts()?;
        loop {
            thread::sleep(Duration::from_millis(100));
            let again = self.ask_counts()?;
            if again == counts || began.elapsed() > self.patience {
                return Ok(again);
            }
            counts = again;
        }
    }

    fn ask_counts(&self) -> Result<ServerCounts, NoAnswer> {
        let counts = self.counts.as_ref().and_then(|ask| ask());
        counts.ok_or(NoAnswer::Untold)
    }
}

impl NoAnswer {
    fn row(&self, question: Question) -> Row {
        match self {
            Self::Untold => Row::new(question, Grade::Unknown, "not told")
                .found("the server does not tell its counts"),
            Self::Trouble(trouble) => Row::trouble(question, trouble),
        }
    }
}

impl From<Trouble> for NoAnswer {
    fn from(trouble: Trouble) -> Self {
        Self::Trouble(trouble)
    }
}
