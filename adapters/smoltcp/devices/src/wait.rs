//! Waiting until a device has something to do.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::ptr;
use std::time::Duration;

/// A file descriptor, and what to wait for on it.
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

/// Sleeps until one of `fds` is ready or `timeout` has passed (`None`: no limit), and tells which are
/// ready. An error or a hang-up on a file descriptor counts as ready: the next read shows it.
///
/// A signal ends the wait early with nothing ready, so that a program gets to look at its own flags.
///
/// # Errors
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

/// `ppoll` counts nanoseconds, where `poll` would round a deadline of the stack to milliseconds.
#[expect(unsafe_code, reason = "ppoll(2) has no safe form in std")]
fn ppoll(fds: &mut [libc::pollfd], timeout: Option<Duration>) -> io::Result<()> {
    let timeout = timeout.map(|timeout| libc::timespec {
        tv_sec: libc::time_t::try_from(timeout.as_secs()).unwrap_or(libc::time_t::MAX),
        tv_nsec: libc::c_long::from(timeout.subsec_nanos().cast_signed()),
    });
    let timeout = timeout.as_ref().map_or(ptr::null(), ptr::from_ref);
    // SAFETY: `fds` points to `fds.len()` initialised entries, which the kernel may write, for the
    // length of the call; `timeout` is null or points to a value that lives until the end of this
    // function; a null signal mask leaves the mask as it is.
    let ready = unsafe {
        libc::ppoll(
            fds.as_mut_ptr(),
            fds.len() as libc::nfds_t,
            timeout,
            ptr::null(),
        )
    };
    if ready < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
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
