//! Every scenario over linecho-smoltcp behind a TAP device, with the kernel's TCP as the peer: IPv4, IPv6, and with
//! packets dropped. In a network namespace, so that nothing of the machine's own network is touched.

use std::process::ExitCode;
use std::sync::Arc;

use linecho_examples::netns;
use linecho_tests::conformance;
use linecho_tests::reach::tap::Tap;

fn main() -> ExitCode {
    // Before there are threads: the namespace is that of the whole process.
    let outside = netns::enter().err().map(|error| error.to_string());
    let tap = |name, v6, loss_percent| Tap {
        name,
        v6,
        loss_percent,
        outside: outside.clone(),
    };
    conformance::main(vec![
        Arc::new(tap("tap_v4", false, 0)),
        Arc::new(tap("tap_v6", true, 0)),
        Arc::new(tap("tap_lossy", false, 5)),
    ])
}
