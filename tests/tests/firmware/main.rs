//! The firmware, for real: built for its boards, booted in QEMU, held to every scenario; the echo on embassy-net; and the
//! proof that the core cannot panic.

mod boards;
mod core_alone;
mod embassy;

use std::process::ExitCode;
use std::sync::Arc;

use linecho_tests::conformance;
use linecho_tests::conformance::reach::Reach;
use linecho_tests::conformance::reach::firmware::Firmware;
use linecho_tests::firmware::Board;
use linecho_tests::namespace;

fn main() -> ExitCode {
    if let Some(code) = namespace::inside(&embassy::IN_NAMESPACE) {
        return code;
    }
    let boards = Board::ALL.into_iter();
    let mut trials = conformance::trials(
        boards
            .map(|board| Arc::new(Firmware(board)) as Arc<dyn Reach>)
            .collect(),
    );
    trials.extend(boards::trials());
    trials.extend(core_alone::trials());
    trials.extend(embassy::trials());
    linecho_trials::conclude(trials)
}
