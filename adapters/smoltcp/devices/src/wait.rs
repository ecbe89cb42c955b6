//! Waiting for file descriptors.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::time::{Duration, Instant};

use crate::sys::ppoll;

/// A file descriptor and the readiness to wait for.
#[derive(Debug, Clone, Copy)]
pub struct Interest<'fd> {
    fd: BorrowedFd<'fd>,
    events: libc::c_short,
}

impl<'fd> Interest<'fd> {
    /// Waits until `fd` can be read.
    pub fn read(fd: &'fd impl AsFd) -> Self {
        let fd = fd.as_fd();
        Self {
            fd,
            events: libc::POLLIN,
        }
    }

    /// Waits until `fd` can be read, or also written if `write` is set.
    pub fn read_write(fd: &'fd impl AsFd, write: bool) -> Self {
        let write = if write { libc::POLLOUT } else { 0 };
        let fd = fd.as_fd();
        Self {
            fd,
            events: libc::POLLIN | write,
        }
    }
}

/// Sleeps until one of `fds` is ready or `timeout` has passed (`None`: no limit). Returns, for
/// each, whether it is ready. A descriptor with an error or a hang-up is ready, too: the next read
/// tells which.
///
/// A signal ends the wait early with nothing ready, so that the program can look at the flags that
/// its handlers set.
///
/// # Errors
///
/// Those of [`ppoll(2)`](https://man7.org/linux/man-pages/man2/poll.2.html) but for `EINTR`.
pub fn wait<const N: usize>(
    fds: [Interest<'_>; N],
    timeout: Option<Duration>,
) -> io::Result<[bool; N]> {
    let mut polled = fds.map(|Interest { fd, events }| libc::pollfd {
        fd: fd.as_raw_fd(),
        events,
        revents: 0,
    });
    match ppoll(&mut polled, timeout) {
        Ok(()) => Ok(polled.map(|fd| fd.revents != 0)),
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok([false; N]),
        Err(error) => Err(error),
    }
}

/// Waits as [`wait`] does, but asks again and again for up to `spin` before it sleeps. A frame that
/// comes meanwhile is served without a wake-up of the thread, which takes longer than to echo a
/// line; the thread has its core busy for that time.
///
/// The handler of a signal that arrives between two of the questions runs, and the wait goes on:
/// have it write to a descriptor among `fds`.
///
/// # Errors
///
/// Those of [`wait`].
pub fn wait_spinning<const N: usize>(
    fds: [Interest<'_>; N],
    timeout: Option<Duration>,
    spin: Duration,
) -> io::Result<[bool; N]> {
    if spin.is_zero() {
        return wait(fds, timeout);
    }
    let start = Instant::now();
    loop {
        let ready = wait(fds, Some(Duration::ZERO))?;
        let spun = start.elapsed();
        if ready.contains(&true) || timeout.is_some_and(|timeout| timeout <= spun) {
            return Ok(ready);
        }
        if spun >= spin {
            return wait(fds, timeout.map(|timeout| timeout - spun));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::os::unix::net::UnixStream;

    #[test]
    fn tells_which_is_ready() {
        let (mut near, far) = UnixStream::pair().unwrap();
        near.write_all(b"x").unwrap();
        let fds = [Interest::read(&near), Interest::read(&far)];
        assert_eq!(wait(fds, None).unwrap(), [false, true]);
    }

    #[test]
    fn asks_for_writing_only_when_told() {
        let (near, _far) = UnixStream::pair().unwrap();
        let now = Some(Duration::ZERO);
        assert_eq!(
            wait([Interest::read_write(&near, false)], now).unwrap(),
            [false]
        );
        assert_eq!(
            wait([Interest::read_write(&near, true)], now).unwrap(),
            [true]
        );
    }

    #[test]
    fn a_hang_up_is_ready() {
        let (near, far) = UnixStream::pair().unwrap();
        drop(far);
        assert_eq!(wait([Interest::read(&near)], None).unwrap(), [true]);
    }

    #[test]
    fn a_deadline_ends_it() {
        let (near, _far) = UnixStream::pair().unwrap();
        let wanted = [Interest::read(&near)];
        assert_eq!(
            wait(wanted, Some(Duration::from_micros(10))).unwrap(),
            [false]
        );
    }

    /// Longer than any test waits, and shorter.
    const LONG: Duration = Duration::from_secs(3600);
    const SHORT: Duration = Duration::from_micros(10);

    #[test]
    fn a_spin_ends_with_what_is_ready() {
        let (mut near, far) = UnixStream::pair().unwrap();
        near.write_all(b"x").unwrap();
        let fds = [Interest::read(&near), Interest::read(&far)];
        for spin in [Duration::ZERO, SHORT, LONG] {
            assert_eq!(wait_spinning(fds, None, spin).unwrap(), [false, true]);
        }
    }

    #[test]
    fn a_deadline_ends_a_spin_or_the_sleep_after_it() {
        let (near, _far) = UnixStream::pair().unwrap();
        let fds = [Interest::read(&near)];
        for (timeout, spin) in [
            (Duration::ZERO, LONG),
            (SHORT, LONG),
            (SHORT * 100, SHORT),
            (SHORT, Duration::ZERO),
        ] {
            let ready = wait_spinning(fds, Some(timeout), spin).unwrap();
            assert_eq!(ready, [false], "{timeout:?} {spin:?}");
        }
    }

    #[test]
    fn what_comes_during_a_spin_ends_it_without_a_sleep() {
        let (mut near, far) = UnixStream::pair().unwrap();
        let (started, is_started) = std::sync::mpsc::channel();
        let writer = std::thread::spawn(move || {
            is_started.recv().unwrap();
            near.write_all(b"x").unwrap();
            near
        });
        started.send(()).unwrap();
        let slept = sleeps();
        let ready = wait_spinning([Interest::read(&far)], None, LONG).unwrap();
        assert_eq!((ready, sleeps() - slept), ([true], 0));
        drop(writer.join().unwrap());
    }

    #[test]
    fn after_a_spin_it_sleeps_until_something_comes() {
        let (mut near, far) = UnixStream::pair().unwrap();
        let me = std::fs::read_link("/proc/thread-self").unwrap();
        let call = std::path::Path::new("/proc").join(me).join("syscall");
        let writer = std::thread::spawn(move || {
            // The number of the system call that the thread sleeps in, `proc_pid_syscall(5)`.
            let asleep = format!("{} ", libc::SYS_ppoll);
            while !std::fs::read_to_string(&call).unwrap().starts_with(&asleep) {
                std::thread::yield_now();
            }
            near.write_all(b"x").unwrap();
            near
        });
        let ready = wait_spinning([Interest::read(&far)], None, SHORT).unwrap();
        assert_eq!(ready, [true]);
        drop(writer.join().unwrap());
    }

    /// How often this thread gave up its core to wait for something.
    fn sleeps() -> u64 {
        let status = std::fs::read_to_string("/proc/thread-self/status").unwrap();
        let count = |line: &str| {
            line.strip_prefix("voluntary_ctxt_switches:")?
                .trim()
                .parse()
                .ok()
        };
        status.lines().find_map(count).unwrap()
    }
}
