//! The limit of open files: a connection is a file descriptor, and shells allow a program 1,024 of
//! them unless it asks for more.

use std::io;

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Raises the limit to the most that the program may have. Returns that.
///
/// # Errors
///
/// As of getrlimit(2) and setrlimit(2): the limit stays as it is.
pub fn allow_many() -> io::Result<u64> {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
    // macOS names no limit and refuses more than OPEN_MAX.
    let most = match cfg!(target_os = "macos") {
        true => most.min(10_240),
        false => most,
    };
    setrlimit(Resource::RLIMIT_NOFILE, most, most)?;
    // FreeBSD's limits are signed.
    #[allow(clippy::useless_conversion)]
    Ok(u64::try_from(most).unwrap_or(u64::MAX))
}
