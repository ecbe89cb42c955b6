//! Known services and faults, recognised by what came in place of an echo.

use std::fmt;

use crate::identity::BEGIN;

/// A service or a fault that people meet where they expect a line echo.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Suspect {
    /// An HTTP response.
    Http,
    /// An SSH server's version.
    Ssh,
    /// A TLS alert: the other side speaks TLS.
    TlsAlert,
    /// The greeting of a mail or file server.
    Greeting,
    /// The greeting of a line echo in mid-stream: a new connection to a server.
    NewConnection,
    /// A PROXY header, which a relay put in front.
    ProxyHeader,
    /// A telnet command.
    Telnet,
    /// Letters came back in upper case.
    UpperCase,
    /// A CR was put before the newline.
    CrAdded,
    /// A CR was taken away.
    CrRemoved,
    /// The newline did not come back.
    NewlineDropped,
    /// The line came back once more.
    EchoedTwice,
    /// The eighth bit was cleared.
    SevenBits,
}

impl Suspect {
    /// Compares what was due (from the first difference on) with what came in its place; `last` is
    /// the line before, or the beginning of this one, which had come back right.
    pub(crate) fn find(last: &[u8], expected: &[u8], came: &[u8]) -> Option<Self> {
        let starts = |starts: &[&[u8]]| starts.iter().any(|start| came.starts_with(start));
        let tls = matches!(came, [0x15, 3, 0..=4, 0, 2, ..]);
        let telnet = matches!(came, [0xff, 240..=254, ..]);
        let both = expected.iter().zip(came);
        let all = |test: fn(&u8, &u8) -> bool| {
            !expected.is_empty() && both.clone().all(|(sent, got)| test(sent, got))
        };
        Some(match () {
            () if starts(&[b"HTTP/", b"<html", b"<!DOCTYPE"]) => Self::Http,
            () if starts(&[b"SSH-"]) => Self::Ssh,
            () if tls => Self::TlsAlert,
            () if starts(&[b"220 ", b"220-", b"+OK", b"* OK", b"421 ", b"554 "]) => Self::Greeting,
            () if starts(&[BEGIN]) => Self::NewConnection,
            () if starts(&[b"PROXY ", b"\r\n\r\n\0\r\nQUIT\n"]) => Self::ProxyHeader,
            () if telnet => Self::Telnet,
            () if came.starts_with(b"\r\n") && expected.starts_with(b"\n") => Self::CrAdded,
            () if came.starts_with(b"\n") && expected.starts_with(b"\r\n") => Self::CrRemoved,
            () if all(|sent, got| *got == sent.to_ascii_uppercase()) => Self::UpperCase,
            () if all(|sent, got| *got == sent & 0x7f) => Self::SevenBits,
            () if !last.is_empty() && last.ends_with(b"\n") && came.starts_with(last) => {
                Self::EchoedTwice
            }
            () if is_without_newline(expected, came) => Self::NewlineDropped,
            () => return None,
        })
    }

    /// True if it is another service, rather than an echo with a fault.
    #[must_use]
    pub fn is_service(self) -> bool {
        matches!(
            self,
            Self::Http | Self::Ssh | Self::TlsAlert | Self::Greeting | Self::Telnet
        )
    }
}

/// The newline was due, and what was due behind it came instead.
fn is_without_newline(expected: &[u8], came: &[u8]) -> bool {
    let behind = expected.strip_prefix(b"\n").filter(|it| !it.is_empty());
    behind.is_some_and(|behind| came.starts_with(&behind[..came.len().min(behind.len())]))
}

impl fmt::Display for Suspect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Http => "that is HTTP, a web server answers",
            Self::Ssh => "that is an SSH server",
            Self::TlsAlert => "that is a TLS alert, the other side expects TLS",
            Self::Greeting => "that is the greeting of a mail or file server",
            Self::NewConnection => {
                "that is the greeting of echo-server --identify in the wrong place or form, as when \
                 something on the way goes on to a new connection"
            }
            Self::ProxyHeader => {
                "that is a PROXY header, which a relay or --send-proxy put in front and the server \
                 echoes: echo-server takes it out with --proxy-listen in place of --listen"
            }
            Self::Telnet => "that is a telnet command (IAC), a telnet server answers",
            Self::UpperCase => "that is the same in upper case",
            Self::CrAdded => "a CR was put before the newline",
            Self::CrRemoved => "the CR before the newline is gone",
            Self::NewlineDropped => "the newline is gone",
            Self::EchoedTwice => "that is the same line once more",
            Self::SevenBits => "the eighth bit of the bytes is cleared",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_suspect_is_found_by_what_it_sends() {
        use Suspect::*;
        type Case = (Suspect, &'static [u8], &'static [u8], &'static [u8]);
        let cases: [Case; 14] = [
            (NewConnection, b"", b"hello\n", b"{\"linecho\":1,\"name\":"),
            (Http, b"", b"hello\n", b"HTTP/1.1 400 Bad Request\r\n"),
            (Ssh, b"", b"", b"SSH-2.0-OpenSSH_9.2p1\r\n"),
            (TlsAlert, b"", b"hello\n", &[0x15, 3, 3, 0, 2, 2, 22]),
            (Greeting, b"", b"", b"220 mail.example ESMTP\r\n"),
            (
                ProxyHeader,
                b"",
                b"hello\n",
                b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n",
            ),
            (Telnet, b"", b"", &[0xff, 253, 24]),
            (UpperCase, b"", b"hello, you\n", b"HELLO, YOU\n"),
            (CrAdded, b"hello", b"\n", b"\r\n"),
            (CrRemoved, b"hello", b"\r\n", b"\n"),
            (NewlineDropped, b"x", b"\ny\n", b"y\n"),
            (EchoedTwice, b"hello\n", b"", b"hello\n"),
            (EchoedTwice, b"one\n", b"two\n", b"one\ntwo\n"),
            (SevenBits, b"gr", &[0xc3, 0xbc, b'n'], &[0x43, 0x3c, b'n']),
        ];
        for (suspect, last, expected, came) in cases {
            assert_eq!(Suspect::find(last, expected, came), Some(suspect));
        }
    }

    #[test]
    fn anything_else_is_not_named() {
        for (expected, came) in [(&b"two\n"[..], &b"twX\n"[..]), (b"\n", b"X"), (b"", b"x\n")] {
            assert_eq!(Suspect::find(b"", expected, came), None);
        }
    }
}
