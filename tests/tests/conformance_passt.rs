//! Every scenario over linecho-smoltcp behind passt, on 127.0.0.1 only.

use std::process::ExitCode;
use std::sync::Arc;

use linecho_tests::conformance;
use linecho_tests::conformance::reach::passt::Passt;

fn main() -> ExitCode {
    conformance::main(vec![Arc::new(Passt)])
}
