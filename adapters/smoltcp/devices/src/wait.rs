//! Waiting for file descriptors.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::time::Duration;

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

/// Sleeps until one of `fds` is ready or `timeout` has passed (`None`: no limit). Returns for each
/// whether it is ready; one with an error or a hang-up is, and the next read shows it.
///
/// A signal ends the wait early with nothing ready, so that a program gets to look at its own
/// flags.
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
}
