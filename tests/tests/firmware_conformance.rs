//! Every scenario over the firmware on both boards.

use std::process::ExitCode;
use std::sync::Arc;

use linecho_tests::conformance;
use linecho_tests::firmware::Board;
use linecho_tests::reach::Reach;
use linecho_tests::reach::firmware::Firmware;

fn main() -> ExitCode {
    let boards = Board::ALL.into_iter();
    conformance::main(
        boards
            .map(|board| Arc::new(Firmware(board)) as Arc<dyn Reach>)
            .collect(),
    )
}
