//! Values of log lines, as text for people and as JSON.

use std::fmt::{self, Write as _};

use crate::words::counted;

/// The most bytes of content that are shown.
const CONTENT_BYTES: usize = 200;

/// A value in a log line. It displays as in a line for people: text with a blank in quotes, content
/// with `\n`, `\xff` and the like for what cannot be printed.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Text without control characters.
    Text(String),
    /// A number of something.
    Number(u64),
    /// A time in seconds.
    Seconds(f64),
    /// Bytes that a peer has sent. Of many, only the first are shown.
    Content(Vec<u8>),
}

impl Value {
    /// Returns the value as JSON (RFC 8259). Content is UTF-8 there, with U+FFFD for what is not.
    #[must_use]
    pub fn json(&self) -> String {
        match self {
            Self::Text(text) => quoted(text),
            Self::Number(number) => number.to_string(),
            Self::Seconds(seconds) => seconds.to_string(),
            Self::Content(bytes) => quoted(&String::from_utf8_lossy(first(bytes))),
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) if text.contains(' ') => write!(f, "\"{text}\""),
            Self::Text(text) => f.write_str(text),
            Self::Number(number) => write!(f, "{number}"),
            Self::Seconds(seconds) => write!(f, "{seconds}"),
            Self::Content(bytes) => {
                let shown = first(bytes);
                write!(f, "\"{}\"", shown.escape_ascii())?;
                match bytes.len() - shown.len() {
                    0 => Ok(()),
                    more => write!(f, "... ({} more)", counted(more as u64, "byte")),
                }
            }
        }
    }
}

fn first(bytes: &[u8]) -> &[u8] {
    &bytes[..bytes.len().min(CONTENT_BYTES)]
}

/// Returns a string of JSON (RFC 8259, section 7).
fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for letter in text.chars() {
        match letter {
            '"' | '\\' => quoted.extend(['\\', letter]),
            '\n' => quoted.push_str("\\n"),
            control if control < ' ' => {
                // Writing to a string does not fail.
                let _ = write!(quoted, "\\u{:04x}", u32::from(control));
            }
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.into())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<u64> for Value {
    fn from(number: u64) -> Self {
        Self::Number(number)
    }
}

impl From<usize> for Value {
    fn from(number: usize) -> Self {
        Self::Number(number as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_is_escaped_and_cut_for_people() {
        let shown = |bytes: &[u8]| Value::Content(bytes.into()).to_string();
        assert_eq!(shown(b"a\0\xff\"\n"), r#""a\x00\xff\"\n""#);
        let long = [b'a'; CONTENT_BYTES + 2];
        assert!(shown(&long).ends_with("aa\"... (2 bytes more)"));
    }

    #[test]
    fn text_with_blanks_is_quoted_for_people() {
        assert_eq!(Value::from("peer closed").to_string(), "\"peer closed\"");
        assert_eq!(Value::from("[::1]:7").to_string(), "[::1]:7");
    }

    #[test]
    fn json_gives_back_what_went_in() {
        let all: String = (0..0x2000).filter_map(char::from_u32).collect();
        for text in ["", "a \"b\" \\", &all] {
            let parsed: String = serde_json::from_str(&Value::from(text).json()).unwrap();
            assert_eq!(parsed, text);
        }
    }

    #[test]
    fn content_is_escaped_once_in_json() {
        let json = Value::Content(b"caf\xc3\xa9\0\xff\n".into()).json();
        assert_eq!(json, "\"caf\u{e9}\\u0000\u{fffd}\\n\"");
        assert_eq!(Value::Seconds(0.5).json(), "0.5");
    }
}
