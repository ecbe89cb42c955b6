//! The cores of the two sides of a measurement, and the number of connections that each may hold.

use std::io;

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::unistd::Pid;

/// The cores of a measurement: the server has one of its own, so that its load cannot take time
/// from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cores {
    /// The core that the server runs on.
    pub server: usize,
    /// The core that the load runs on. The same one on a machine that lends only one.
    pub client: usize,
}

impl Cores {
    /// The first two cores that this process may use.
    ///
    /// # Errors
    ///
    /// When the kernel does not say which they are (`sched_getaffinity(2)`).
    pub fn of_this_machine() -> io::Result<Self> {
        let allowed = sched_getaffinity(Pid::this())?;
        let mut cores =
            (0..CpuSet::count()).filter(|&core| allowed.is_set(core).unwrap_or_default());
        let server = cores
            .next()
            .ok_or_else(|| io::Error::other("this process may use no core"))?;
        Ok(Self {
            server,
            client: cores.next().unwrap_or(server),
        })
    }

    /// True if the two sides share a core: ratios between servers still say something, absolute
    /// figures little.
    #[must_use]
    pub fn shared(self) -> bool {
        self.server == self.client
    }
}

/// Keeps the calling thread, and the processes that it starts from now on, on these cores.
///
/// # Errors
///
/// When the kernel refuses (`sched_setaffinity(2)`).
pub fn stay_on(cores: &[usize]) -> io::Result<()> {
    let mut only = CpuSet::new();
    for &core in cores {
        only.set(core)?;
    }
    Ok(sched_setaffinity(Pid::from_raw(0), &only)?)
}

/// Raises this process's limit of open files, which the servers that it starts inherit, as far as
/// it may. Both sides of `connections` connections hold one file for each, in two processes.
///
/// # Errors
///
/// When the limit stays too low for `connections`; the message says what to do.
pub fn allow_connections(connections: usize) -> io::Result<()> {
    /// Files beside the connections: standard streams, the listener, the poller, a log.
    const OTHERS: u64 = 64;
    let needed = connections as u64 + OTHERS;
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    if soft < hard {
        setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
    }
    if hard < needed {
        return Err(io::Error::other(format!(
            "{connections} connections need {needed} open files on either side, and the limit here is {hard}: \
             raise it (as root: `ulimit -Hn {needed}`) or ask for fewer connections"
        )));
    }
    Ok(())
}
