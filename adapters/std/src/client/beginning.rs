//! The beginning of what comes from a server: its greeting, if it sends one, or the echo.

use std::io;

use crate::Identity;
use crate::identity::{BEGIN, MOST_BYTES};
use crate::socket::Socket;

/// Takes a greeting out of what comes from a server.
///
/// Nothing waits for one: the bytes that come first are looked at, and kept as long as they may
/// become a greeting. If they do not, they are passed on as they were.
#[derive(Debug, Default)]
pub(crate) struct Beginning {
    /// It is known whether there is a greeting.
    is_known: bool,
    /// What came before it was known, and has not been passed on.
    kept: Vec<u8>,
    /// What was sent first: an echo of that is no greeting, whatever it looks like.
    sent: Vec<u8>,
    identity: Option<Identity>,
}

/// A judgement about the first bytes.
enum Judgement {
    /// More must come.
    Open,
    Greeting(Identity, usize),
    Other,
}

impl Beginning {
    /// Returns the server's identity, if a greeting has come.
    pub(crate) fn identity(&self) -> Option<&Identity> {
        self.identity.as_ref()
    }

    /// Returns true if bytes are kept that may become a greeting.
    pub(crate) fn is_open(&self) -> bool {
        !self.is_known && !self.kept.is_empty()
    }

    /// Supposes that what has come is no greeting.
    pub(crate) fn give_up(&mut self) {
        self.is_known = true;
    }

    /// Notes bytes that were sent.
    pub(crate) fn note_sent(&mut self, bytes: &[u8]) {
        if !self.is_known {
            let room = MOST_BYTES - self.sent.len();
            self.sent.extend(&bytes[..bytes.len().min(room)]);
        }
    }

    /// Returns true if there are bytes to [take](Self::take).
    pub(crate) fn has_bytes(&self) -> bool {
        self.is_known && !self.kept.is_empty()
    }

    /// Takes bytes that were kept and are no greeting, if there are any.
    pub(crate) fn take(&mut self, buffer: &mut [u8]) -> Option<usize> {
        if !self.has_bytes() {
            return None;
        }
        let n = self.kept.len().min(buffer.len());
        buffer[..n].copy_from_slice(&self.kept[..n]);
        self.kept.drain(..n);
        Some(n)
    }

    /// Looks at the first `n` bytes of `buffer`, which have just come; 0 is the end of input.
    /// Returns the number of bytes in `buffer` that are no greeting; `None` if there are none yet.
    /// [Take](Self::take) those that were kept first.
    #[inline]
    pub(crate) fn pass(&mut self, buffer: &mut [u8], n: usize) -> Option<usize> {
        match self.is_known {
            true => Some(n),
            false => self.look(buffer, n),
        }
    }

    #[cold]
    fn look(&mut self, buffer: &mut [u8], n: usize) -> Option<usize> {
        self.kept.extend(&buffer[..n]);
        match self.judge() {
            Judgement::Open if n > 0 => return None,
            Judgement::Greeting(identity, length) => {
                self.identity = Some(identity);
                self.kept.drain(..length);
            }
            Judgement::Open | Judgement::Other => {}
        }
        self.is_known = true;
        self.sent = Vec::new();
        match self.take(buffer) {
            None if n > 0 => None,
            None => Some(0),
            taken => taken,
        }
    }

    fn judge(&self) -> Judgement {
        let both = self.kept.len().min(BEGIN.len());
        if self.kept[..both] != BEGIN[..both] {
            return Judgement::Other;
        }
        let Some(end) = memchr::memchr(b'\n', &self.kept) else {
            return match self.kept.len() < MOST_BYTES {
                true => Judgement::Open,
                false => Judgement::Other,
            };
        };
        let line = &self.kept[..=end];
        match Identity::parse(line) {
            Some(identity) if !self.sent.starts_with(line) => {
                Judgement::Greeting(identity, line.len())
            }
            _ => Judgement::Other,
        }
    }

    /// Reads from a socket what is no greeting.
    pub(crate) fn read(&mut self, socket: &mut Socket<'_>, buffer: &mut [u8]) -> io::Result<usize> {
        use embedded_io::Read as _;
        if let Some(n) = self.take(buffer) {
            return Ok(n);
        }
        // Until the socket is known to have no more: its readiness is told once.
        loop {
            let n = socket.read(buffer)?;
            if let Some(n) = self.pass(buffer, n) {
                return Ok(n);
            }
            if !socket.ready.is_readable() {
                return Err(io::ErrorKind::Interrupted.into());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Passes pieces, and the end. Returns what came out.
    fn pass(beginning: &mut Beginning, pieces: &[&[u8]]) -> Vec<u8> {
        let mut out = Vec::new();
        for piece in pieces.iter().chain([&&b""[..]]) {
            let mut buffer = vec![0; 16.max(piece.len())];
            buffer[..piece.len()].copy_from_slice(piece);
            let mut n = beginning.pass(&mut buffer, piece.len());
            while let Some(some @ 1..) = n {
                out.extend(&buffer[..some]);
                n = beginning.take(&mut buffer);
            }
        }
        out
    }

    fn greeting() -> Vec<u8> {
        Identity::new("n", "p", "l").to_line()
    }

    #[test]
    fn a_greeting_is_taken_out_however_it_comes() {
        let whole = [greeting(), b"echo\n".to_vec()].concat();
        for size in 1..=whole.len() {
            let mut beginning = Beginning::default();
            let pieces: Vec<_> = whole.chunks(size).collect();
            assert_eq!(pass(&mut beginning, &pieces), b"echo\n", "{size}");
            assert_eq!(beginning.identity().unwrap().backend.name, "n");
        }
        let mut beginning = Beginning::default();
        assert_eq!(pass(&mut beginning, &[&greeting()]), b"");
        assert!(beginning.identity().is_some());
    }

    #[test]
    fn anything_else_is_passed_on() {
        let half = &greeting()[..20];
        let endless = [BEGIN, &[b'x'; 2 * MOST_BYTES]].concat();
        let wrong = [BEGIN, b"1}\n"].concat();
        for text in [&b""[..], b"echo\n", b"{", b"{\n", half, &endless, &wrong] {
            for size in [1, 7, 100_000] {
                let mut beginning = Beginning::default();
                let pieces: Vec<_> = text.chunks(size).collect();
                assert!(pass(&mut beginning, &pieces) == text, "{size}");
                assert_eq!(beginning.identity(), None);
            }
        }
    }

    #[test]
    fn a_second_greeting_is_passed_on() {
        let twice = [greeting(), greeting()].concat();
        let mut beginning = Beginning::default();
        assert_eq!(pass(&mut beginning, &[&twice]), greeting());
    }

    #[test]
    fn the_echo_of_a_greeting_is_an_echo() {
        for size in [1, 10, 1000] {
            let mut beginning = Beginning::default();
            greeting()
                .chunks(size)
                .for_each(|it| beginning.note_sent(it));
            beginning.note_sent(&[b'x'; 2 * MOST_BYTES]);
            let whole = greeting();
            let pieces: Vec<_> = whole.chunks(size).collect();
            assert_eq!(pass(&mut beginning, &pieces), whole);
            assert_eq!(beginning.identity(), None);
        }
    }

    #[test]
    fn half_of_one_is_passed_on_when_nobody_waits_any_more() {
        let mut beginning = Beginning::default();
        let mut buffer = greeting();
        assert_eq!(beginning.pass(&mut buffer, 20), None);
        assert!(beginning.is_open() && !beginning.has_bytes());
        beginning.give_up();
        assert!(!beginning.is_open() && beginning.has_bytes());
        assert_eq!(beginning.take(&mut buffer), Some(20));
        assert_eq!(&buffer[..20], &greeting()[..20]);
    }
}
