//! Runs `docs/TUTORIAL.md` word for word: the commands of each section in one shell, in a network
//! namespace, so that its ports are free. What comes back must be what stands there.

#[cfg(target_os = "linux")]
mod page;
#[cfg(target_os = "linux")]
mod shell;

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    if let Some(code) = linecho_tests::namespace::inside(&page::SECTIONS) {
        return code;
    }
    let mut trials = linecho_tests::namespace::trials(&page::SECTIONS);
    trials.extend(page::trials());
    linecho_trials::conclude(trials)
}

#[cfg(not(target_os = "linux"))]
fn main() {}
