//! Every scenario over linecho-smoltcp behind a TAP device, with the kernel's TCP as the peer: IPv4, IPv6, and with
//! packets dropped; then foreign peers. In a network namespace, so that nothing of the machine's own network is touched.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;

use libtest_mimic::Trial;
use linecho_devices::netns;
use linecho_tests::conformance::foreign;
use linecho_tests::conformance::reach::tap::Tap;
use linecho_tests::conformance::{self, Stop};

type Peer = fn(SocketAddr) -> Result<(), Stop>;

fn main() -> ExitCode {
    // Before there are threads: the namespace is that of the whole process.
    let outside = netns::enter().err().map(|error| error.to_string());
    let tap = |name, v6, loss_percent| Tap {
        name,
        v6,
        loss_percent,
        outside: outside.clone(),
    };
    let (v4, v6, lossy) = (
        tap("tap_v4", false, 0),
        tap("tap_v6", true, 0),
        tap("tap_lossy", false, 5),
    );
    let mut trials = conformance::trials(vec![
        Arc::new(v4.clone()),
        Arc::new(v6.clone()),
        Arc::new(lossy),
    ]);
    let peers: [(&str, Peer); 2] = [("python", foreign::python), ("netcat", foreign::netcat)];
    for tap in [v4, v6] {
        for (name, peer) in peers {
            let tap = tap.clone();
            trials.push(Trial::ignorable_test(
                format!("{}::{name}", tap.name),
                move || conformance::completion(tap.with_peer(peer)),
            ));
        }
    }
    conformance::conclude(trials)
}
