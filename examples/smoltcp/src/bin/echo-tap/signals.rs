//! Signals, for a loop that sleeps in poll(2): each makes a file descriptor readable.

use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::{SIGCHLD, SIGINT, SIGTERM};
use signal_hook::{flag, low_level::pipe};

/// The signals that the program handles.
#[derive(Debug)]
pub(crate) struct Signals {
    bell: UnixStream,
    raised: [(Signal, Arc<AtomicBool>); 3],
}

/// A signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    /// Ctrl-C.
    Interrupt,
    /// The polite `kill`.
    Terminate,
    /// A child process has ended.
    Child,
}

impl Signals {
    /// Handles signals from now on.
    ///
    /// # Errors
    ///
    /// When the process has no file descriptors left.
    pub(crate) fn handle() -> io::Result<Self> {
        let (bell, mut rope) = UnixStream::pair()?;
        bell.set_nonblocking(true)?;
        let raised = [Signal::Interrupt, Signal::Terminate, Signal::Child]
            .map(|signal| (signal, Arc::default()));
        for (signal, flag) in &raised {
            let number = match signal {
                Signal::Interrupt => SIGINT,
                Signal::Terminate => SIGTERM,
                Signal::Child => SIGCHLD,
            };
            // In this order, so that the flag is up when the bell rings.
            flag::register(number, Arc::clone(flag))?;
            pipe::register(number, rope.try_clone()?)?;
        }
        // A signal that came between the two has rung no bell.
        rope.write_all(&[0])?;
        Ok(Self { bell, raised })
    }

    /// The signals that have come since the last call.
    pub(crate) fn take(&mut self) -> impl Iterator<Item = Signal> {
        // Whatever it returns: when the bell is broken, there are still the flags.
        let _ = self.bell.read(&mut [0; 64]);
        let raised = self.raised.iter();
        raised.filter_map(|(signal, flag)| flag.swap(false, Ordering::SeqCst).then_some(*signal))
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.bell.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use linecho_devices::{Interest, wait};
    use std::time::Duration;

    #[test]
    fn a_signal_wakes_a_sleeper_once() {
        let mut signals = Signals::handle().expect("there are file descriptors");
        let limit = Some(Duration::from_secs(60));
        // One may have come while they were about to be handled.
        let woken = wait([Interest::read(&signals)], limit).expect("poll works");
        assert_eq!(woken, [true]);
        assert_eq!(signals.take().next(), None);
        for _ in 0..2 {
            signal_hook::low_level::raise(SIGTERM).expect("a process can signal itself");
            let woken = wait([Interest::read(&signals)], limit).expect("poll works");
            assert_eq!(woken, [true]);
            assert_eq!(signals.take().collect::<Vec<_>>(), [Signal::Terminate]);
            assert_eq!(signals.take().next(), None);
        }
    }
}
