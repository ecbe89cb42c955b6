//! The limit of open files: a connection is a file descriptor, and shells allow a program 1,024 of
//! them unless it asks for more.

use std::io;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises the limit to the most that the program may have. Returns that.
///
/// # Errors
///
/// As of setrlimit(2): the limit stays as it is.
pub fn allow_many() -> io::Result<u64> {
    let most = getrlimit(Resource::Nofile).maximum;
    // macOS names no limit and refuses more than OPEN_MAX.
    let most = match cfg!(target_os = "macos") {
        true => Some(most.map_or(10_240, |most| most.min(10_240))),
        false => most,
    };
    let raised = Rlimit {
        current: most,
        maximum: most,
    };
    setrlimit(Resource::Nofile, raised)?;
    Ok(most.unwrap_or(u64::MAX))
}
