//! The greeting of a server that identifies itself, on its way to a peer.

use std::io;

use embedded_io::{Write, WriteReady};
use linecho_core::{Instant, Reason, Session};

use crate::pool::Storage;

/// The time in which the kernel must take a greeting. It has room for one at once, unless it is out
/// of memory for sockets.
const TIMEOUT: std::time::Duration = std::time::Duration::from_secs(5);

/// A session that waits until its peer's greeting is written.
pub(crate) struct Greeting {
    pub(crate) session: Session<Storage>,
    left: Vec<u8>,
    until: Instant,
}

/// The state of a greeting after a turn.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Greeted {
    /// All of it is written.
    Whole,
    /// The kernel takes no more now. Go on when it does, or at this time.
    Wait(Instant),
    /// A write was interrupted. Go on in the next turn.
    Again,
    /// The connection ends for this reason.
    Failed(Reason),
}

impl Greeting {
    pub(crate) fn new(session: Session<Storage>, bytes: Vec<u8>, now: Instant) -> Self {
        Self {
            session,
            left: bytes,
            until: now + TIMEOUT,
        }
    }

    /// Returns the number of bytes that are not written.
    pub(crate) fn left(&self) -> usize {
        self.left.len()
    }

    /// Writes as much as the transport takes.
    pub(crate) fn write<T>(&mut self, transport: &mut T, now: Instant) -> Greeted
    where
        T: Write<Error = io::Error> + WriteReady,
    {
        while !self.left.is_empty() {
            match transport.write_ready() {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => return failed(&error),
            }
            match transport.write(&self.left) {
                Ok(0) => break,
                Ok(n) => drop(self.left.drain(..n)),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => return Greeted::Again,
                Err(error) => return failed(&error),
            }
        }
        match self.left.is_empty() {
            true => Greeted::Whole,
            false if now >= self.until => Greeted::Failed(Reason::WriteStalled),
            false => Greeted::Wait(self.until),
        }
    }
}

fn failed(error: &io::Error) -> Greeted {
    let kind: embedded_io::ErrorKind = error.kind().into();
    Greeted::Failed(kind.into())
}

#[cfg(test)]
mod tests {
    use embedded_io::ErrorType;
    use linecho_core::Config;

    use super::*;

    /// Takes a few bytes at a time, and not always.
    #[derive(Default)]
    struct Slow {
        taken: Vec<u8>,
        turn: usize,
        is_full: bool,
    }

    impl ErrorType for Slow {
        type Error = io::Error;
    }

    impl Write for Slow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.turn += 1;
            match self.turn % 3 {
                0 => Err(io::ErrorKind::Interrupted.into()),
                n => {
                    self.is_full = n == 2;
                    let n = n.min(bytes.len());
                    self.taken.extend(&bytes[..n]);
                    Ok(n)
                }
            }
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl WriteReady for Slow {
        fn write_ready(&mut self) -> io::Result<bool> {
            Ok(!self.is_full)
        }
    }

    fn greeting() -> Greeting {
        let session = Session::new(Storage::default(), Config::new(), Instant::ZERO);
        Greeting::new(session, b"a greeting\n".to_vec(), Instant::ZERO)
    }

    #[test]
    fn what_the_kernel_does_not_take_at_once_follows() {
        let (mut greeting, mut slow) = (greeting(), Slow::default());
        let mut turns = 0;
        while greeting.write(&mut slow, Instant::ZERO) != Greeted::Whole {
            assert_eq!(greeting.left() + slow.taken.len(), b"a greeting\n".len());
            slow.is_full = false;
            turns += 1;
        }
        assert_eq!(slow.taken, b"a greeting\n");
        assert!(turns > 2, "it was slow {turns} times");
    }

    #[test]
    fn a_kernel_that_takes_nothing_ends_it() {
        let (mut greeting, mut slow) = (greeting(), Slow::default());
        slow.is_full = true;
        let end = Instant::ZERO + TIMEOUT;
        let before = Instant::from_micros(end.as_micros() - 1);
        assert_eq!(greeting.write(&mut slow, before), Greeted::Wait(end));
        let stalled = Greeted::Failed(Reason::WriteStalled);
        assert_eq!(greeting.write(&mut slow, end), stalled);
    }
}
