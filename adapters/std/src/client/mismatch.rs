//! A difference between what was sent and what came, shown as text.

use std::fmt;

use linecho_core::Position;

use super::cause::Cause;
use super::suspect::Suspect;

/// The most characters that are shown of each side.
const SHOWN: usize = 80;
/// The most bytes that are kept of each side.
pub(crate) const KEPT: usize = 160;

/// Bytes that came and are not those that were due.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Mismatch {
    /// The first byte that is wrong, counted in what was sent.
    pub place: Position,
    /// The bytes that were due: from the beginning of the line if that was near, cut. Empty if
    /// none.
    pub expected: Vec<u8>,
    /// The bytes that came in their place, from the same point on, cut.
    pub came: Vec<u8>,
    /// The number of bytes of both that agree.
    pub common: usize,
    /// A known service or fault that looks like this.
    pub suspect: Option<Suspect>,
}

impl Mismatch {
    /// Shows both sides from the beginning of the line, if that is near: `before` had come back
    /// right, `due` was to come next, and `wrong` came in its place.
    pub(crate) fn new(place: Position, before: &[u8], due: &[u8], wrong: &[u8]) -> Self {
        let line = line_start(before);
        let begun = &before[line.max(before.len().saturating_sub(KEPT / 4))..];
        let last = match begun.is_empty() {
            true => &before[line_start(&before[..line.saturating_sub(1)])..],
            false => begun,
        };
        let from_here = |bytes: &[u8]| {
            let mut whole = begun.to_vec();
            whole.extend_from_slice(&bytes[..bytes.len().min(KEPT - begun.len())]);
            whole
        };
        Self {
            place,
            expected: match due.is_empty() && begun.is_empty() {
                true => Vec::new(),
                false => from_here(first_line(due)),
            },
            came: from_here(wrong),
            common: begun.len(),
            suspect: Suspect::find(last, due, wrong),
        }
    }

    /// The reason in one word.
    #[must_use]
    pub fn cause(&self) -> Cause {
        match self.suspect {
            Some(suspect) if suspect.is_service() => Cause::NotAnEcho,
            _ => Cause::Mismatch,
        }
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { place, came, .. } = self;
        match self.expected.is_empty() {
            true => write!(f, "{place}: nothing was to come, but {} did", Text(came))?,
            false => write!(
                f,
                "{place}: expected {}, but {} came",
                Text(&self.expected),
                Text(came)
            )?,
        }
        match self.suspect {
            // It says more than that.
            Some(Suspect::ProxyHeader) => write!(f, "; {}", Suspect::ProxyHeader),
            Some(suspect) => write!(f, "; {suspect}: this is not a line echo"),
            None => f.write_str(": this is not a line echo"),
        }
    }
}

/// The position behind the last newline.
fn line_start(bytes: &[u8]) -> usize {
    memchr::memrchr(b'\n', bytes).map_or(0, |newline| newline + 1)
}

/// The bytes up to the end of the first line.
fn first_line(bytes: &[u8]) -> &[u8] {
    &bytes[..memchr::memchr(b'\n', bytes).map_or(bytes.len(), |newline| newline + 1)]
}

/// Bytes as text in quotes, escaped, and cut.
pub struct Text<'a>(pub &'a [u8]);

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        let mut cut = false;
        for chunk in self.0.utf8_chunks() {
            let valid = chunk.valid().chars().map(|c| match c {
                '\0' => "\\0".into(),
                c => c.escape_debug().to_string(),
            });
            let invalid = chunk.invalid().iter().map(|byte| format!("\\x{byte:02x}"));
            for piece in valid.chain(invalid) {
                cut |= text.chars().count() + piece.chars().count() > SHOWN;
                if !cut {
                    text.push_str(&piece);
                }
            }
        }
        write!(f, "\"{text}\"{}", if cut { "…" } else { "" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_escaped_and_cut_at_eighty() {
        for (bytes, text) in [
            (&b"one\r\n"[..], r#""one\r\n""#),
            (b"\0\x1b[31m\xff", r#""\0\u{1b}[31m\xff""#),
            ("gr\u{fc}n".as_bytes(), "\"gr\u{fc}n\""),
            (b"a \"b\"", r#""a \"b\"""#),
        ] {
            assert_eq!(Text(bytes).to_string(), text);
        }
        let long = Text(&[b'x'; 81]).to_string();
        assert_eq!(long, format!("\"{}\"…", "x".repeat(80)));
        // An escape is shown whole or not at all.
        let edge = Text(&[&[b'x'; 79][..], b"\n"].concat()).to_string();
        assert_eq!(edge, format!("\"{}\"…", "x".repeat(79)));
    }
}
