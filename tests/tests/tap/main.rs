//! Tests that need a TAP device, in a network namespace, so that nothing of the machine's own
//! network is touched.

#[cfg(target_os = "linux")]
mod conformance;

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    // Before there are threads: the namespace is that of the whole process.
    let outside = linecho_tests::namespace::enter().err();
    linecho_trials::conclude(conformance::trials(outside.as_ref()))
}

#[cfg(not(target_os = "linux"))]
fn main() {}
