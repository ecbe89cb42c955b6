//! An echo-server survives system calls that fail: a part of them. The program `torture` tries all.

#[cfg(target_os = "linux")]
use linecho_trials::Stop;

#[cfg(target_os = "linux")]
fn system_calls_that_fail_are_survived() -> Result<(), Stop> {
    use linecho_tests::hostile::torture::{self, Extent};

    torture::available().map_err(|why| Stop::Skipped {
        why,
        enable: "apt-get install strace".into(),
    })?;
    let outcome = torture::run(Extent::Quick, &[]);
    match &outcome.faults[..] {
        [] if outcome.tried > 10 => Ok(()),
        [] => Err(Stop::Failed(format!("{} pairs were tried", outcome.tried))),
        faults => Err(Stop::Failed(faults.join("\n"))),
    }
}

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    linecho_trials::conclude(vec![linecho_trials::trial(
        "system_calls_that_fail_are_survived",
        system_calls_that_fail_are_survived,
    )])
}

#[cfg(not(target_os = "linux"))]
fn main() {}
