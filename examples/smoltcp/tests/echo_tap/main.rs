//! Runs `echo-tap` as people do: in a network namespace of its own against the kernel's TCP, and
//! behind passt.
//!
//! `LINECHO_FULL=1` streams 10 MB instead of 200 kB through each of 16 clients on a link with
//! losses: half a minute in a release build.

#[cfg(target_os = "linux")]
mod capture;
#[cfg(target_os = "linux")]
mod dhcp;
#[cfg(target_os = "linux")]
mod kernel;
#[cfg(target_os = "linux")]
mod kit;
#[cfg(target_os = "linux")]
mod life;
#[cfg(target_os = "linux")]
mod log;
#[cfg(target_os = "linux")]
mod passt;

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    let mut trials = kernel::trials();
    trials.extend(life::trials());
    trials.extend(capture::trials());
    trials.extend(log::trials());
    trials.extend(dhcp::trials());
    trials.extend(passt::trials());
    linecho_trials::conclude(trials)
}

#[cfg(not(target_os = "linux"))]
fn main() {}
