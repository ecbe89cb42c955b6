//! Tells whether a measurement had its cores to itself.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};

use super::machine::Cores;
use crate::bench::context;

/// The part of the measured time that others may take of the cores before the figures suffer.
const BEARABLE: f64 = 0.05;

/// `/proc/stat` counts in hundredths of a second, on each core.
const RESOLUTION: Duration = Duration::from_millis(30);

/// A look at the cores of a measurement, from its beginning on.
pub struct Watch {
    cores: BTreeSet<usize>,
    start: Instant,
    idle: Duration,
    own: Duration,
}

impl Watch {
    /// Begins to watch. No process that the measurement starts may run yet.
    ///
    /// # Errors
    ///
    /// When the kernel does not say what the cores do.
    pub fn start(cores: Cores) -> io::Result<Self> {
        let cores = BTreeSet::from([cores.server, cores.client]);
        Ok(Self {
            start: Instant::now(),
            idle: idle_time(&cores)?,
            own: own_time()?,
            cores,
        })
    }

    /// True if others took so much of the cores that the figures suffered. The processes that the
    /// measurement has started must have ended: only then does the kernel say what they used.
    ///
    /// # Errors
    ///
    /// When the kernel does not say what the cores do.
    pub fn disturbed(&self) -> io::Result<bool> {
        let wall = self.start.elapsed();
        let idle = idle_time(&self.cores)? - self.idle;
        let own = own_time()? - self.own;
        let others = (wall * self.cores.len() as u32).saturating_sub(idle + own);
        Ok(others > wall.mul_f64(BEARABLE) + RESOLUTION)
    }
}

/// Returns what `run` measures, which is run again while other processes take time from it, up to a
/// point. Counts it as `disturbed` when it never came to run in peace.
///
/// # Errors
///
/// Those of `run`, and when the kernel does not say what the cores do.
pub fn undisturbed<T>(
    cores: Cores,
    disturbed: &mut usize,
    mut run: impl FnMut() -> io::Result<T>,
) -> io::Result<T> {
    const TRIES: usize = 3;
    for _ in 1..TRIES {
        let watch = Watch::start(cores)?;
        let found = run()?;
        if !watch.disturbed()? {
            return Ok(found);
        }
    }
    *disturbed += 1;
    run()
}

/// Says how many measurements were disturbed, if any were.
pub fn tell_disturbed(disturbed: usize) {
    if disturbed > 0 {
        eprintln!(
            "{disturbed} measurements were disturbed by other processes each time they were tried: \
             for figures that hold, let the machine do nothing else"
        );
    }
}

/// The time that the cores have had nothing to do.
fn idle_time(cores: &BTreeSet<usize>) -> io::Result<Duration> {
    let text = fs::read_to_string("/proc/stat").map_err(context("/proc/stat"))?;
    let idle_of = |line: &str| {
        // "cpuN user nice system idle iowait ..", proc_stat(5)
        let mut columns = line.strip_prefix("cpu")?.split_ascii_whitespace();
        let core: usize = columns.next()?.parse().ok()?;
        let idle: u64 = columns.nth(3)?.parse().ok()?;
        let waiting: u64 = columns.next()?.parse().ok()?;
        cores.contains(&core).then_some(idle + waiting)
    };
    let hundredths = text.lines().filter_map(idle_of).sum::<u64>();
    Ok(Duration::from_millis(10 * hundredths))
}

/// The time that this process and those that it started and that ended have used.
fn own_time() -> io::Result<Duration> {
    let mut time = Duration::ZERO;
    for who in [UsageWho::RUSAGE_SELF, UsageWho::RUSAGE_CHILDREN] {
        let usage = getrusage(who)?;
        for part in [usage.user_time(), usage.system_time()] {
            let seconds = Duration::from_secs(part.tv_sec().cast_unsigned());
            time += seconds + Duration::from_micros(part.tv_usec().cast_unsigned());
        }
    }
    Ok(time)
}
