//! One connection of a check: a plain socket, each wait bounded.

use std::fmt;
use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use socket2::SockRef;

use super::pattern::{Difference, Pattern};
use crate::client::beginning::Beginning;
use crate::client::cause::bytes;
use crate::{Cause, ClientBuilder, ConnectError, Identity, Text};

/// A connection whose reads and writes take at most `patience`.
pub(super) struct Wire {
    pub(super) stream: TcpStream,
    pub(super) patience: Duration,
    beginning: Beginning,
    common: Common,
}

/// What all connections of a check share.
#[derive(Clone, Debug, Default)]
pub(super) struct Common {
    /// The time at which nothing is waited for any more.
    pub(super) end: Option<Instant>,
    /// The number of bytes that were sent.
    sent: Arc<AtomicU64>,
    /// The greetings that came, each with the client's own address and the server's.
    pub(super) greetings: Arc<Mutex<Vec<(Identity, SocketAddr, SocketAddr)>>>,
}

impl Common {
    pub(super) fn sent(&self) -> u64 {
        self.sent.load(Relaxed)
    }

    pub(super) fn is_over(&self) -> bool {
        self.end.is_some_and(|end| Instant::now() >= end)
    }

    /// Shortens a time so that it ends with the check.
    fn within(&self, time: Duration) -> Duration {
        let left = |end: Instant| end.saturating_duration_since(Instant::now());
        self.end.map_or(time, |end| time.min(left(end)))
    }
}

/// The end of a connection as the client sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Fin,
    Reset,
    /// Not within the patience.
    Never,
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Fin => "it was closed (FIN)",
            Self::Reset => "it was reset (RST)",
            Self::Never => "it did not end",
        })
    }
}

/// Something that keeps a question from its answer.
#[derive(Debug)]
pub(super) enum Trouble {
    Connect(ConnectError),
    /// The connection came to its end with so much of what was due.
    Short {
        came: Vec<u8>,
        due: u64,
        end: End,
    },
    /// Something else came.
    Wrong {
        expected: Vec<u8>,
        came: Vec<u8>,
    },
    /// A stream differed at this byte.
    Different {
        at: u64,
        difference: Difference,
    },
    Io(io::Error),
}

impl Trouble {
    pub(super) fn word(&self) -> &'static str {
        match self {
            Self::Connect(error) if error.cause() == Cause::Refused => "refused",
            Self::Connect(_) => "no connection",
            Self::Short { end: End::Fin, .. } => "closed early",
            Self::Short {
                end: End::Reset, ..
            } => "reset early",
            Self::Short { .. } => "silent",
            Self::Wrong { .. } => "changed",
            Self::Different { difference, .. } => difference.word(),
            Self::Io(_) => "failed",
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect(error) => write!(f, "{error}"),
            Self::Short { came, due, end } => {
                write!(f, "of {} {} came, then {end}", bytes(*due), came.len())
            }
            Self::Wrong { expected, came } => {
                write!(f, "expected {}, but {} came", Text(expected), Text(came))
            }
            Self::Different { at, difference } => write!(f, "{difference} at byte {at}"),
            Self::Io(error) => write!(f, "{error}"),
        }
    }
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl Wire {
    pub(super) fn connect(
        builder: &ClientBuilder,
        addresses: &[SocketAddr],
        patience: Duration,
        common: &Common,
    ) -> Result<Self, Trouble> {
        // Zero would be no limit.
        let limit = common.within(patience).max(Duration::from_millis(1));
        let builder = builder.clone().connect_timeout(limit);
        let stream = builder
            .connect_stream(addresses)
            .map_err(Trouble::Connect)?;
        stream.set_write_timeout(Some(patience))?;
        Ok(Self {
            stream,
            patience,
            beginning: Beginning::default(),
            common: common.clone(),
        })
    }

    pub(super) fn send(&mut self, bytes: &[u8]) -> Result<(), Trouble> {
        self.count(bytes.len() as u64);
        Ok(self.stream.write_all(bytes)?)
    }

    /// Counts bytes that are sent.
    pub(super) fn count(&self, bytes: u64) {
        self.common.sent.fetch_add(bytes, Relaxed);
    }

    /// True if there is no time left.
    pub(super) fn is_over(&self) -> bool {
        self.common.is_over()
    }

    pub(super) fn half_close(&self) -> Result<(), Trouble> {
        Ok(self.stream.shutdown(Shutdown::Write)?)
    }

    /// Closes by a reset.
    pub(super) fn reset(self) {
        // If that fails it is closed in order.
        let _ = SockRef::from(&self.stream).set_linger(Some(Duration::ZERO));
    }

    /// Sends a line, in one write, and waits for it to come back. Returns how long that took.
    pub(super) fn echo(&mut self, line: &[u8]) -> Result<Duration, Trouble> {
        let began = Instant::now();
        self.send(line)?;
        self.expect(line)?;
        Ok(began.elapsed())
    }

    /// Waits for exactly these bytes.
    pub(super) fn expect(&mut self, expected: &[u8]) -> Result<(), Trouble> {
        let (came, end) = self.read(expected.len(), self.patience);
        match end {
            _ if !expected.starts_with(&came) => Err(Trouble::Wrong {
                expected: expected.to_vec(),
                came,
            }),
            None => Ok(()),
            Some(end) => Err(Trouble::Short {
                came,
                due: expected.len() as u64,
                end,
            }),
        }
    }

    /// Reads until there are `n` bytes; if there are less, also returns why. Each byte may take
    /// `patience`.
    pub(super) fn read(&mut self, n: usize, patience: Duration) -> (Vec<u8>, Option<End>) {
        let mut bytes = vec![0; n];
        let mut filled = 0;
        let end = loop {
            if filled == n {
                break None;
            }
            match self.read_some(&mut bytes[filled..], patience) {
                Ok(read) => filled += read,
                Err(end) => break Some(end),
            }
        };
        bytes.truncate(filled);
        (bytes, end)
    }

    fn read_some(&mut self, buffer: &mut [u8], patience: Duration) -> Result<usize, End> {
        let began = Instant::now();
        let patience = self.common.within(patience);
        loop {
            if let Some(n) = self.beginning.take(buffer) {
                return Ok(n);
            }
            let left = patience.saturating_sub(began.elapsed());
            if left.is_zero() && self.beginning.is_open() {
                // Half a greeting is no greeting.
                self.beginning.give_up();
                continue;
            }
            if left.is_zero() {
                return Err(End::Never);
            }
            // It takes any time but zero.
            let _ = self.stream.set_read_timeout(Some(left));
            match self.stream.read(buffer) {
                Ok(n) => match self.pass(buffer, n) {
                    Some(0) => return Err(End::Fin),
                    Some(n) => return Ok(n),
                    None => {}
                },
                Err(error) => match error.kind() {
                    io::ErrorKind::Interrupted
                    | io::ErrorKind::WouldBlock
                    | io::ErrorKind::TimedOut => {}
                    _ => return Err(End::Reset),
                },
            }
        }
    }

    /// Takes a greeting out of what came, and keeps it for all.
    fn pass(&mut self, buffer: &mut [u8], n: usize) -> Option<usize> {
        let was_known = self.beginning.identity().is_some();
        let passed = self.beginning.pass(buffer, n);
        if let Some(identity) = self.beginning.identity().filter(|_| !was_known)
            && let (Ok(ours), Ok(theirs)) = (self.stream.local_addr(), self.stream.peer_addr())
        {
            let mut all = self
                .common
                .greetings
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            all.push((identity.clone(), ours, theirs));
        }
        passed
    }

    /// Reads to the end of the connection, at most `most` bytes.
    pub(super) fn read_to_end(&mut self, most: usize) -> (Vec<u8>, End) {
        let (bytes, end) = self.read(most, self.patience);
        (bytes, end.unwrap_or(End::Never))
    }

    /// Sends so many bytes of the pattern while it reads and verifies them.
    pub(super) fn stream(&mut self, pattern: Pattern, bytes: u64) -> Result<Duration, Trouble> {
        let began = Instant::now();
        self.count(bytes);
        let mut sending = self.stream.try_clone()?;
        thread::scope(|scope| {
            scope.spawn(move || {
                let mut sent = 0;
                let mut chunk = [0; 16 * 1024];
                while sent < bytes {
                    let n = (bytes - sent).min(chunk.len() as u64);
                    let chunk = &mut chunk[..usize::try_from(n).unwrap_or_default()];
                    pattern.fill(sent, chunk);
                    // The reader sees why.
                    if sending.write_all(chunk).is_err() {
                        return;
                    }
                    sent += n;
                }
            });
            let result = self.verify(pattern, 0, bytes);
            if result.is_err() {
                // Ends the writer.
                let _ = self.stream.shutdown(Shutdown::Both);
            }
            result
        })?;
        Ok(began.elapsed())
    }

    /// Reads and verifies bytes of the pattern from one position to another.
    pub(super) fn verify(&mut self, pattern: Pattern, from: u64, to: u64) -> Result<(), Trouble> {
        let mut at = from;
        let mut buffer = vec![0; 64 * 1024];
        let mut expected = buffer.clone();
        while at < to {
            let room = usize::try_from(to - at)
                .unwrap_or(usize::MAX)
                .min(buffer.len());
            let n = match self.read_some(&mut buffer[..room], self.patience) {
                Ok(n) => n,
                Err(end) => {
                    return Err(Trouble::Short {
                        came: vec![0; usize::try_from(at - from).unwrap_or_default()],
                        due: to - from,
                        end,
                    });
                }
            };
            pattern.fill(at, &mut expected[..n]);
            if buffer[..n] != expected[..n] {
                let both = buffer.iter().zip(&expected);
                let common = both.take_while(|(a, b)| a == b).count();
                let mut came = buffer[common..n].to_vec();
                // What follows shows what kind of difference it is.
                let (more, _) = self.read(128 * 1024, Duration::from_millis(200));
                came.extend(more);
                let at = at + common as u64;
                return Err(Trouble::Different {
                    at,
                    difference: pattern.difference(at, &came),
                });
            }
            at += n as u64;
        }
        Ok(())
    }
}
