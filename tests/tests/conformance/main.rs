//! Every scenario over each way to a server that needs no network of its own, and what only some of
//! them can show.

mod link;
#[cfg(target_os = "linux")]
mod program;

use std::net::{Ipv4Addr, Ipv6Addr};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use linecho_tests::conformance;
use linecho_tests::conformance::reach::Reach;
use linecho_tests::conformance::reach::link::Link;
use linecho_tests::conformance::reach::memory::Memory;
use linecho_tests::conformance::reach::std_server::Std;

fn main() -> ExitCode {
    let reaches: Vec<Arc<dyn Reach>> = vec![
        Arc::new(Memory::Polled),
        Arc::new(Memory::Blocking),
        Arc::new(Memory::Asynchronous),
        Arc::new(Std {
            address: Ipv4Addr::LOCALHOST.into(),
            workers: 0,
            spin: Duration::ZERO,
        }),
        Arc::new(Std {
            address: Ipv6Addr::LOCALHOST.into(),
            workers: 1,
            spin: Duration::from_micros(50),
        }),
        Arc::new(Link::clean()),
        Arc::new(Link::faulty(200)),
        Arc::new(Link::clean().hashed("hashed_clean")),
        Arc::new(Link::faulty(200).hashed("hashed_faulty")),
        #[cfg(unix)]
        Arc::new(conformance::reach::program::Program),
        #[cfg(target_os = "linux")]
        Arc::new(conformance::reach::passt::Passt),
    ];
    let mut trials = conformance::trials(reaches);
    trials.extend(link::trials());
    #[cfg(target_os = "linux")]
    trials.extend(program::trials());
    linecho_trials::conclude(trials)
}
