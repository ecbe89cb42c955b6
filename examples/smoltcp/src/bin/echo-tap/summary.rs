//! The summary of a run.

use linecho_examples::words::counted;
use linecho_smoltcp::Totals;

/// Returns the connections by their ends, their lines and bytes, and the frames of the link.
#[must_use]
pub(crate) fn summary(totals: &Totals, frames: &[(&str, u64)]) -> String {
    let by_reason = [
        ("peer closed", totals.peer_closed),
        ("idle", totals.idle),
        ("write stalled", totals.write_stalled),
        ("line too long", totals.line_too_long),
        ("reset", totals.reset),
        ("failed", totals.failed),
        ("shutdown", totals.shutdown),
        ("cut", totals.opened - totals.closed()),
    ];
    let counters = totals.counters;
    format!(
        "{}: {}\n{} ({} too long), {} in, {} out\nframes: {}\n",
        counted(totals.opened, "connection"),
        list(&by_reason),
        counted(counters.lines, "line"),
        counters.overlong,
        counted(counters.bytes_in, "byte"),
        counted(counters.bytes_out, "byte"),
        list(frames),
    )
}

/// Returns a list of the counts that are not zero.
fn list(counts: &[(&str, u64)]) -> String {
    let there_was = counts.iter().filter(|(_, count)| *count > 0);
    let texts: Vec<_> = there_was
        .map(|(name, count)| format!("{count} {name}"))
        .collect();
    match texts.as_slice() {
        [] => "none".into(),
        texts => texts.join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use linecho_smoltcp::{Counters, Reason};

    #[test]
    fn what_has_not_happened_is_left_out() {
        let mut totals = Totals::default();
        let mut counters = Counters::default();
        (counters.bytes_in, counters.bytes_out, counters.lines) = (3, 3, 1);
        for reason in [Reason::PeerClosed, Reason::Idle] {
            totals.open();
            totals.close(reason, &counters);
        }
        totals.open();
        assert_eq!(
            summary(
                &totals,
                &[("received", 5), ("corrupt", 4), ("dropped: link down", 0)]
            ),
            "3 connections: 1 peer closed, 1 idle, 1 cut\n\
             2 lines (0 too long), 6 bytes in, 6 bytes out\n\
             frames: 5 received, 4 corrupt\n"
        );
        let mut totals = Totals::default();
        (counters.bytes_in, counters.bytes_out) = (1, 1);
        totals.open();
        totals.close(Reason::PeerClosed, &counters);
        let one = summary(&totals, &[]);
        let expected = "1 connection: 1 peer closed\n1 line (0 too long), 1 byte in, 1 byte out\n";
        assert!(one.starts_with(expected), "{one}");
        let nothing = summary(&Totals::default(), &[("received", 0)]);
        assert!(
            nothing.starts_with("0 connections: none\n0 lines"),
            "{nothing}"
        );
    }
}
