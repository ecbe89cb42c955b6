//! Every scenario over the core's drivers, in memory.

use std::process::ExitCode;
use std::sync::Arc;

use linecho_tests::conformance;
use linecho_tests::conformance::reach::memory::Memory;

fn main() -> ExitCode {
    conformance::main(vec![
        Arc::new(Memory::Polled),
        Arc::new(Memory::Blocking),
        Arc::new(Memory::Asynchronous),
    ])
}
