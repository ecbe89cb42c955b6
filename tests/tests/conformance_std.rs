//! Every scenario over linecho-std on the loopback interface, with both families.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::process::ExitCode;
use std::sync::Arc;

use linecho_tests::conformance;
use linecho_tests::conformance::reach::std_server::Std;

fn main() -> ExitCode {
    conformance::main(vec![
        Arc::new(Std {
            address: Ipv4Addr::LOCALHOST.into(),
            workers: 0,
        }),
        Arc::new(Std {
            address: Ipv6Addr::LOCALHOST.into(),
            workers: 1,
        }),
    ])
}
