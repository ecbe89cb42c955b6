//! Checks the pages in `docs/` and `findings/`.

#[cfg(target_os = "linux")]
mod architecture;
#[cfg(target_os = "linux")]
mod findings;
#[cfg(target_os = "linux")]
mod shell;
#[cfg(target_os = "linux")]
mod tutorial;

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    use linecho_tests::namespace;

    if let Some(code) = namespace::inside(&tutorial::SECTIONS) {
        return code;
    }
    let mut trials = tutorial::trials();
    trials.extend(architecture::trials());
    trials.extend(findings::trials());
    linecho_trials::conclude(trials)
}

#[cfg(not(target_os = "linux"))]
fn main() {}
