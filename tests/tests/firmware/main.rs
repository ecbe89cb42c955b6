//! The firmware, for real: built for its boards, booted in QEMU, held to every scenario; the echo
//! on embassy-net; and the proof that the core cannot panic.

#[cfg(unix)]
mod boards;
#[cfg(unix)]
mod copying;
#[cfg(unix)]
mod core_alone;
#[cfg(unix)]
mod dividing;
#[cfg(target_os = "linux")]
mod embassy;

#[cfg(unix)]
fn main() -> std::process::ExitCode {
    use std::sync::Arc;

    use linecho_tests::conformance;
    use linecho_tests::conformance::reach::Reach;
    use linecho_tests::conformance::reach::firmware::Firmware;
    use linecho_tests::firmware::Board;

    #[cfg(target_os = "linux")]
    if let Some(code) = linecho_tests::namespace::inside(&embassy::IN_NAMESPACE) {
        return code;
    }
    let boards = Board::ALL.into_iter();
    let mut trials = conformance::trials(
        boards
            .map(|board| Arc::new(Firmware(board)) as Arc<dyn Reach>)
            .collect(),
    );
    trials.extend(boards::trials());
    trials.extend(copying::trials());
    trials.extend(core_alone::trials());
    trials.extend(dividing::trials());
    #[cfg(target_os = "linux")]
    trials.extend(embassy::trials());
    linecho_trials::conclude(trials)
}

#[cfg(not(unix))]
fn main() {}
