//! Every scenario over linecho-smoltcp behind a TAP device, with the kernel's TCP as the peer:
//! IPv4, IPv6, and with packets dropped; then foreign peers.

use std::net::SocketAddr;
use std::sync::Arc;

use linecho_tests::conformance;
use linecho_tests::conformance::foreign;
use linecho_tests::conformance::reach::tap::Tap;
use linecho_trials::{Stop, Trial, trial};

type Peer = fn(SocketAddr) -> Result<(), Stop>;

/// The tests in the namespace of this process, or `outside` of any.
pub(crate) fn trials(outside: Option<&Stop>) -> Vec<Trial> {
    let tap = |name, v6, loss_percent| Tap {
        name,
        v6,
        loss_percent,
        outside: outside.cloned(),
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
            let name = format!("{}::{name}", tap.name);
            trials.push(trial(name, move || tap.with_peer(peer)));
        }
    }
    trials
}
