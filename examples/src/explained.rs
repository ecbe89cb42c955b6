//! Errors of the system, with what was tried and what to do about them.

use std::error::Error;
use std::fmt;
use std::io;
use std::iter;

/// An error of the system in a sentence for people, which tells it in its own words.
#[derive(Debug)]
pub struct Explained {
    text: String,
    error: io::Error,
}

impl Explained {
    /// Puts an error into this sentence.
    #[must_use]
    pub const fn new(text: String, error: io::Error) -> Self {
        Self { text, error }
    }
}

impl fmt::Display for Explained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The source is for [`os_error`], and not to be told: the text has it.
impl Error for Explained {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.error)
    }
}

impl From<Explained> for io::Error {
    fn from(explained: Explained) -> Self {
        Self::new(explained.error.kind(), explained)
    }
}

/// Returns the system's number of an error, or of the one that it explains.
#[must_use]
pub fn os_error(error: &(dyn Error + 'static)) -> Option<i32> {
    iter::successors(Some(error), |&error| error.source())
        .find_map(|error| error.downcast_ref::<io::Error>()?.raw_os_error())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_keeps_its_number_however_often_it_is_explained() {
        let explain = |error: io::Error| Explained::new(format!("trouble: {error}"), error);
        let number = |error: &io::Error| os_error(error);
        let of_the_system = || io::Error::from_raw_os_error(24);
        assert_eq!(number(&of_the_system()), Some(24));
        let once = io::Error::from(explain(of_the_system()));
        assert_eq!(once.kind(), of_the_system().kind());
        assert_eq!(number(&once), Some(24));
        let twice = explain(once);
        assert!(twice.to_string().starts_with("trouble: trouble: "));
        assert_eq!(os_error(&twice), Some(24));
        let other = io::Error::other(of_the_system().to_string());
        assert_eq!(number(&other), None, "a text is no number");
    }
}
