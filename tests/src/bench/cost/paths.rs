//! The paths of lines whose cost matters: through the core, and through listeners and the stack.

use std::convert::Infallible;
use std::hint::black_box;

use clap::ValueEnum;
use embedded_io::{ErrorType, Read, ReadReady, Write, WriteReady};
use linecho_core::{Config, Instant, LongLines, Session, polled};
use linecho_smoltcp::smoltcp::phy::Medium;

use super::listeners;

/// The storage of a session where its lines fit.
const ROOMY: usize = 64 * 1024;

/// The storage of a session where they do not.
const TIGHT: usize = 1024;

/// A long line.
const LONG: usize = 16 * 1024;

/// A path of lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Path {
    /// One line of 64 bytes in a read.
    Line,
    /// Reads of 1 KiB, with 16 lines of 64 bytes in each.
    Lines,
    /// One line of 16 KiB in a read.
    LongLine,
    /// Lines of 64 bytes in reads of 1 byte.
    Bytes,
    /// Lines of 16 KiB in reads of 1 byte.
    LongLineBytes,
    /// Lines of 16 times the storage, flushed.
    OverlongFlush,
    /// Lines of 16 times the storage, discarded.
    OverlongDiscard,
    /// A line that fills the storage, which ends the session.
    OverlongClose,
    /// One line of 64 bytes through the polled driver.
    Polled,
    /// One line of 64 bytes through a `Listener`, without Ethernet.
    ListenerIp,
    /// One line of 64 bytes through a `Listener` on Ethernet.
    ListenerEthernet,
    /// One line of 64 bytes through a `HashedListener`, without Ethernet.
    HashedIp,
    /// One line of 64 bytes through a `HashedListener` on Ethernet.
    HashedEthernet,
}

impl Path {
    /// Its name for people.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Line => "one 64 B line a read",
            Self::Lines => "1 KiB reads of 64 B lines",
            Self::LongLine => "16 KiB lines",
            Self::Bytes => "64 B lines in 1-byte reads",
            Self::LongLineBytes => "16 KiB lines in 1-byte reads",
            Self::OverlongFlush => "overlong lines, flush",
            Self::OverlongDiscard => "overlong lines, discard",
            Self::OverlongClose => "overlong lines, close",
            Self::Polled => "one 64 B line a turn of the polled driver",
            Self::ListenerIp => "Listener, IP",
            Self::ListenerEthernet => "Listener, Ethernet",
            Self::HashedIp => "HashedListener, IP",
            Self::HashedEthernet => "HashedListener, Ethernet",
        }
    }

    /// The bytes that go through it, over and over.
    #[must_use]
    pub fn text(self) -> Vec<u8> {
        match self {
            Self::Line | Self::Bytes | Self::Polled => line(64),
            Self::ListenerIp | Self::ListenerEthernet | Self::HashedIp | Self::HashedEthernet => {
                line(listeners::LINE)
            }
            Self::Lines => line(64).repeat(16),
            Self::LongLine | Self::LongLineBytes | Self::OverlongFlush | Self::OverlongDiscard => {
                line(LONG)
            }
            Self::OverlongClose => vec![b'x'; TIGHT],
        }
    }

    /// The number of lines or bytes in them, and which of the two the cost is counted for.
    #[must_use]
    pub fn units(self) -> (usize, &'static str) {
        match self {
            Self::Line | Self::Polled => (1, "line"),
            Self::ListenerIp | Self::ListenerEthernet | Self::HashedIp | Self::HashedEthernet => {
                (1, "line")
            }
            Self::Lines => (16, "line"),
            _ => (self.text().len(), "byte"),
        }
    }

    /// Returns whether it is one through a listener and the stack, which takes much longer.
    #[must_use]
    pub fn is_of_a_listener(self) -> bool {
        matches!(
            self,
            Self::ListenerIp | Self::ListenerEthernet | Self::HashedIp | Self::HashedEthernet
        )
    }

    /// Takes it so many times.
    pub fn walk(self, times: usize) {
        let mut text = Aligned::boxed();
        let text = text.filled_with(&self.text());
        let mut storage = Aligned::boxed();
        let storage = &mut storage.0[..];
        match self {
            Self::Line | Self::Lines | Self::LongLine => {
                let mut session = session(storage, LongLines::Flush);
                (0..times).for_each(|_| echo(&mut session, black_box(text)));
            }
            Self::Bytes | Self::LongLineBytes => {
                let mut session = session(storage, LongLines::Flush);
                (0..times).for_each(|_| in_reads(&mut session, text, 1));
            }
            Self::OverlongFlush => {
                let mut session = session(&mut storage[..TIGHT], LongLines::Flush);
                (0..times).for_each(|_| in_reads(&mut session, text, TIGHT / 4));
            }
            Self::OverlongDiscard => {
                let mut session = session(&mut storage[..TIGHT], LongLines::Discard);
                (0..times).for_each(|_| in_reads(&mut session, text, TIGHT / 4));
            }
            Self::OverlongClose => {
                for _ in 0..times {
                    let mut session = session(&mut storage[..TIGHT], LongLines::Close);
                    in_reads(&mut session, text, TIGHT / 4);
                    assert!(
                        session.ended().is_some(),
                        "an overlong line ends the session"
                    );
                }
            }
            Self::Polled => {
                let mut session = session(storage, LongLines::Flush);
                let mut socket = Socket { arrived: &[] };
                for _ in 0..times {
                    socket.arrived = black_box(text);
                    black_box(polled::serve(
                        &mut session,
                        &mut socket,
                        Instant::ZERO,
                        ROOMY,
                    ));
                }
            }
            Self::ListenerIp => listeners::through_listener(Medium::Ip, times),
            Self::ListenerEthernet => listeners::through_listener(Medium::Ethernet, times),
            Self::HashedIp => listeners::through_hashed(Medium::Ip, times),
            Self::HashedEthernet => listeners::through_hashed(Medium::Ethernet, times),
        }
    }
}

/// Bytes at a place that is the same in every run. Copying and searching take more instructions or
/// fewer as their bytes lie, and what an allocator returns depends on the length of this program's
/// path.
#[repr(align(64))]
struct Aligned([u8; ROOMY]);

impl Aligned {
    fn boxed() -> Box<Self> {
        Box::new(Self([0; ROOMY]))
    }

    fn filled_with(&mut self, bytes: &[u8]) -> &[u8] {
        let filled = &mut self.0[..bytes.len()];
        filled.copy_from_slice(bytes);
        filled
    }
}

/// A line of `length` bytes, its `\n` included.
fn line(length: usize) -> Vec<u8> {
    let mut line = vec![b'x'; length];
    line[length - 1] = b'\n';
    line
}

/// A session that no deadline ends.
pub(super) fn session(storage: &mut [u8], long_lines: LongLines) -> Session<&mut [u8]> {
    let config = Config::new().long_lines(long_lines);
    Session::new(storage, config, Instant::ZERO)
}

/// Does with a session as a driver does for one read that brings `read`, and the writes after it.
#[inline(never)]
pub(super) fn echo(session: &mut Session<&mut [u8]>, read: &[u8]) {
    session.input()[..read.len()].copy_from_slice(read);
    session.received(read.len());
    let output = black_box(session.output()).len();
    session.sent(output);
}

fn in_reads(session: &mut Session<&mut [u8]>, text: &[u8], read_bytes: usize) {
    for read in text.chunks(read_bytes) {
        echo(session, black_box(read));
    }
}

/// A socket in memory, whose peer takes everything at once.
struct Socket<'a> {
    arrived: &'a [u8],
}

impl ErrorType for Socket<'_> {
    type Error = Infallible;
}

impl Read for Socket<'_> {
    fn read(&mut self, into: &mut [u8]) -> Result<usize, Infallible> {
        let n = into.len().min(self.arrived.len());
        let (read, left) = self.arrived.split_at(n);
        into[..n].copy_from_slice(read);
        self.arrived = left;
        Ok(n)
    }
}

impl ReadReady for Socket<'_> {
    fn read_ready(&mut self) -> Result<bool, Infallible> {
        Ok(!self.arrived.is_empty())
    }
}

impl Write for Socket<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, Infallible> {
        Ok(black_box(bytes).len())
    }

    fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}

impl WriteReady for Socket<'_> {
    fn write_ready(&mut self) -> Result<bool, Infallible> {
        Ok(true)
    }
}
