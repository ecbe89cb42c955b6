//! The bounds that the project's own server holds on the kernel's TCP.

use super::figures::Figures;
use super::metric::Metric;
use super::programs::Peer;
use super::workloads::Workload;
use crate::bench::estimate::Estimate;
use crate::bench::report::{Bound, Limit};

/// Every bound about which something was measured. `peers` are the servers of the figures,
/// `controls` the places of the C loop among them.
#[must_use]
pub fn check(figures: &Figures, peers: &[Peer], controls: &[usize]) -> Vec<Bound> {
    use Limit::{AtLeast, AtMost};

    let place = |peer| peers.iter().position(|&other| other == peer);
    let Some(ours) = place(Peer::Ours) else {
        return Vec::new();
    };
    let mut bounds = Vec::new();
    let mut bound = |workload: Workload, what: &str, reached: Option<Estimate>, limit| {
        let what = format!("{}: {what}", workload.title());
        bounds.extend(reached.map(|reached| Bound {
            what,
            reached,
            limit,
        }));
    };

    for load in Workload::LOADS {
        let ratio = |metric| figures.ratio(ours, controls, metric, load);
        let (lines, cpu) = (
            ratio(Metric::LinesPerSecond),
            ratio(Metric::CpuPerMillionLines),
        );
        // In bulk, neither waits for the other to wake up, and runs differ by less.
        let (least, most) = match load {
            Workload::Bulk | Workload::BulkFromC => (0.98, 1.03),
            _ => (0.95, 1.07),
        };
        bound(
            load,
            "lines per second, ratio to C epoll",
            lines,
            AtLeast(least),
        );
        bound(load, "CPU per line, ratio to C epoll", cpu, AtMost(most));
    }
    for peer in [Peer::Tokio, Peer::Go] {
        let load = Workload::Pipelined;
        let ratio =
            place(peer).and_then(|peer| figures.ratio(ours, &[peer], Metric::LinesPerSecond, load));
        let what = format!("lines per second, ratio to {}", peer.title());
        bound(load, &what, ratio, AtLeast(10.0));
    }
    for (metric, workload, limit) in [
        (Metric::Spread, Workload::Pipelined, AtMost(4.0)),
        (Metric::SystemCalls, Workload::Fifty, AtMost(2.15)),
        (Metric::SystemCalls, Workload::Pipelined, AtMost(0.14)),
        (Metric::SystemCalls, Workload::Bulk, AtMost(1.3)),
        (Metric::Opened, Workload::Burst, AtLeast(40_000.0)),
        (Metric::MemoryFresh, Workload::Memory, AtMost(128.0)),
        (Metric::MemoryAfterLine, Workload::Memory, AtMost(128.0)),
    ] {
        let reached = figures.estimate(ours, metric, workload);
        bound(workload, metric.title(), reached, limit);
    }
    bounds
}
