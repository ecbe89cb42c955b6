//! Signals, as a program with a loop takes them: each makes a file descriptor readable.

use std::io::{self, PipeReader, Read as _, Write as _};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::raw::c_int;
use std::os::unix::net::UnixStream;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, ioctl_fionbio};
use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2};
use signal_hook::{flag, low_level::pipe};

/// A longer wait looks at the flags, too, whatever has become of the file descriptor.
const LONGEST_WAIT: Duration = Duration::from_secs(10);
/// The pause when the file descriptor cannot be waited for, or not be read.
const PAUSE: Duration = Duration::from_millis(50);

/// The signals that a program handles. `SIGUSR2` is ignored, and so is `SIGHUP` if it was ignored
/// when the program started, as nohup(1) does.
#[derive(Debug)]
pub struct Signals {
    /// A pipe. Streams that are written to, too, are sockets: what fails the one call of the signal
    /// handler, a lack of memory for instance, need not fail the other.
    readable: PipeReader,
    raised: Vec<(Signal, Arc<AtomicBool>)>,
}

/// A signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// Ctrl-C.
    Interrupt,
    /// The polite `kill`.
    Terminate,
    /// The terminal was closed.
    Hangup,
    /// `SIGUSR1`, which asks for a status line.
    Status,
    /// A child process has ended.
    Child,
}

impl Signals {
    /// Handles signals from now on.
    ///
    /// # Errors
    ///
    /// When the process has no file descriptors left.
    pub fn handle() -> io::Result<Self> {
        Self::handle_forwarding(&[])
    }

    /// Handles signals from now on. The signal handler itself also writes a byte to each of these
    /// streams for each of its signals, before the signal can be taken here.
    ///
    /// # Errors
    ///
    /// When the process has no file descriptors left.
    pub fn handle_forwarding(streams: &[(&[Signal], UnixStream)]) -> io::Result<Self> {
        let (readable, mut writable) = io::pipe()?;
        ioctl_fionbio(&readable, true)?;
        flag::register(SIGUSR2, Arc::default())?;
        let mut raised = Vec::new();
        for (number, signal) in [
            (SIGINT, Signal::Interrupt),
            (SIGTERM, Signal::Terminate),
            (SIGHUP, Signal::Hangup),
            (SIGUSR1, Signal::Status),
            (SIGCHLD, Signal::Child),
        ] {
            if number == SIGHUP && is_ignored(SIGHUP) {
                continue;
            }
            for (signals, stream) in streams {
                if signals.contains(&signal) {
                    pipe::register(number, stream.try_clone()?)?;
                }
            }
            let flag = Arc::default();
            // In this order, so that the flag is up when the file descriptor is readable.
            flag::register(number, Arc::clone(&flag))?;
            pipe::register(number, writable.try_clone()?)?;
            raised.push((signal, flag));
        }
        // A signal that came between the two has not made it readable.
        writable.write_all(&[0])?;
        Ok(Self { readable, raised })
    }

    /// Returns the signals that have come since the last call.
    pub fn take(&mut self) -> impl Iterator<Item = Signal> + use<> {
        // Whatever it returns: the flags say what has come.
        let _ = self.readable.read(&mut [0; 64]);
        self.lower()
    }

    /// Returns the signals whose flags are up, and lowers them.
    fn lower(&self) -> impl Iterator<Item = Signal> + use<> {
        let raised = self.raised.iter();
        let taken = raised
            .filter_map(|(signal, flag)| flag.swap(false, Ordering::SeqCst).then_some(*signal));
        taken.collect::<Vec<_>>().into_iter()
    }

    /// Waits for signals, ten seconds at most, and returns those that came.
    pub fn wait(&mut self) -> impl Iterator<Item = Signal> + use<> {
        self.wait_for(LONGEST_WAIT)
    }

    /// Waits for signals, so long at most, and returns those that came.
    pub fn wait_for(&mut self, limit: Duration) -> impl Iterator<Item = Signal> + use<> {
        // It fits: ten seconds at most.
        let limit = Timespec::try_from(limit.min(LONGEST_WAIT)).ok();
        let mut wait = [PollFd::new(&self.readable, PollFlags::IN)];
        let has_failed = match poll(&mut wait, limit.as_ref()) {
            Ok(0) | Err(Errno::INTR) => false,
            // The next wait would be over at once.
            Ok(_) => self.readable.read(&mut [0; 64]).is_err(),
            Err(_) => true,
        };
        if has_failed {
            thread::sleep(PAUSE);
        }
        self.lower()
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.readable.as_fd()
    }
}

#[expect(
    unsafe_code,
    reason = "nothing safe asks for a signal's action without setting one"
)]
fn is_ignored(signal: c_int) -> bool {
    let mut action = MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: without a new action, sigaction(2) only writes the present one to where `action`
    // points, which all zeroes are a valid value of, too.
    unsafe {
        libc::sigaction(signal, ptr::null(), action.as_mut_ptr());
        action.assume_init().sa_sigaction == libc::SIG_IGN
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    #[test]
    fn each_signal_is_taken_once() {
        let mut signals = Signals::handle().expect("there are file descriptors");
        for (number, signal) in [(SIGTERM, Signal::Terminate), (SIGUSR1, Signal::Status)] {
            signal_hook::low_level::raise(number).expect("a process can signal itself");
            let limit = Instant::now() + Duration::from_secs(60);
            let taken = loop {
                let taken: Vec<_> = signals.wait().filter(|it| *it != Signal::Child).collect();
                if !taken.is_empty() {
                    break taken;
                }
                assert!(Instant::now() < limit, "no signal");
            };
            assert_eq!(taken, [signal]);
            assert_eq!(signals.take().next(), None);
        }
        // Without a handler, it would end the process.
        signal_hook::low_level::raise(SIGUSR2).expect("a process can signal itself");
    }
}
