//! The limit of open files: a connection is a file descriptor, and shells allow a program 1,024 of
//! them unless it asks for more.

use std::io;
use std::mem::MaybeUninit;

use rustix::process::{Resource, Rlimit, setrlimit};

/// Raises the limit to the most that the program may have. Returns that.
///
/// # Errors
///
/// As of setrlimit(2): the limit stays as it is.
pub fn allow_many() -> io::Result<u64> {
    let most = most_allowed()?;
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

/// Returns the most that the program may have; `None` means no limit.
#[expect(
    unsafe_code,
    reason = "rustix panics when getrlimit(2) fails, as a sandbox may make it"
)]
fn most_allowed() -> io::Result<Option<u64>> {
    let mut limit = MaybeUninit::<libc::rlimit>::zeroed();
    // SAFETY: getrlimit(2) only writes to where `limit` points, which all zeroes are a valid value
    // of, too.
    let limit = unsafe {
        if libc::getrlimit(libc::RLIMIT_NOFILE, limit.as_mut_ptr()) == -1 {
            return Err(io::Error::last_os_error());
        }
        limit.assume_init()
    };
    #[allow(clippy::useless_conversion, reason = "it is shorter on some systems")]
    let most = u64::try_from(limit.rlim_max).ok();
    Ok(most.filter(|_| limit.rlim_max != libc::RLIM_INFINITY))
}
