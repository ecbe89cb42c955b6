//! The reasons for which a mode did not do what it was to do.

use std::fmt;
use std::io;

use linecho_std::{Cause, ClientError, WaitError};

/// A failure, for people and for scripts.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) cause: Cause,
    /// Nothing when it has been said already.
    pub(crate) text: String,
}

impl Failure {
    /// One that the output of the mode has told of.
    pub(crate) fn told(cause: Cause) -> Self {
        Self {
            cause,
            text: String::new(),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        Self {
            cause: error.cause(),
            text: error.to_string(),
        }
    }
}

impl From<WaitError> for Failure {
    fn from(error: WaitError) -> Self {
        Self {
            cause: error.cause(),
            text: error.to_string(),
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self {
            cause: Cause::Other,
            text: error.to_string(),
        }
    }
}
