//! Measuring an echo server from outside: it runs as a process on one core, the load on another,
//! and what it costs is read from `/proc`. Nothing here knows which server it is.

pub mod burst;
pub mod crowd;
pub mod idle;
pub mod load;
pub mod machine;
pub mod pattern;
pub mod quiet;
pub mod server;
pub mod system_calls;

use std::io;
use std::time::Duration;

use nix::time::ClockId;

/// The longest time that a server may take for anything that a working one does in milliseconds: to
/// start, to echo what is in flight, to take in what has arrived. Longer is a failure of the
/// measurement, told as such.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// The time that the calling thread has spent on a core so far: what other threads and processes
/// take of the core meanwhile does not count.
///
/// # Errors
///
/// When the kernel does not tell it (`clock_gettime(2)`).
pub fn thread_time() -> io::Result<Duration> {
    Ok(ClockId::CLOCK_THREAD_CPUTIME_ID.now()?.into())
}
