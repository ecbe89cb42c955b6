//! Every scenario over the firmware on both boards.

use std::process::ExitCode;
use std::sync::Arc;

use linecho_tests::conformance;
use linecho_tests::conformance::reach::Reach;
use linecho_tests::conformance::reach::firmware::Firmware;
use linecho_tests::firmware::Board;

fn main() -> ExitCode {
    let boards = Board::ALL.into_iter();
    conformance::main(
        boards
            .map(|board| Arc::new(Firmware(board)) as Arc<dyn Reach>)
            .collect(),
    )
}
