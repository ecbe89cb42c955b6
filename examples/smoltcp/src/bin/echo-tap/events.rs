//! Log lines of the listener and of the DHCP client.

use linecho_examples::log::{Level, Log};
use linecho_examples::server_log::counters;
use linecho_smoltcp::{Counters, Event, Reason};

use crate::dhcp::Lease;

pub(crate) fn log_event(log: &Log, event: &Event) {
    match event {
        Event::Opened { slot, peer } if log.shows(Level::Debug) => {
            let details = [("peer", peer.to_string().into()), ("slot", (*slot).into())];
            log.event(Level::Debug, "opened", &details);
        }
        Event::Closed {
            slot,
            peer,
            reason,
            counters: done,
        } if log.shows(closed_level(*reason, done)) => {
            let mut details = vec![("peer", peer.to_string().into()), ("slot", (*slot).into())];
            details.extend(counters(done));
            details.push(("reason", reason.to_string().into()));
            log.event(closed_level(*reason, done), "closed", &details);
        }
        _ => {}
    }
}

/// A health check of a balancer, which sends nothing or resets when all has gone back, is for who looks
/// for it.
fn closed_level(reason: Reason, counters: &Counters) -> Level {
    let is_health_check = match reason {
        Reason::PeerClosed => counters.bytes_in == 0,
        Reason::Reset => counters.bytes_out == counters.bytes_in,
        _ => false,
    };
    match is_health_check {
        true => Level::Debug,
        false => Level::Info,
    }
}

pub(crate) fn log_lease(log: &Log, lease: Lease) {
    match lease {
        Lease::Got { address, gateway } => {
            let gateway = gateway.map_or("none".into(), |gateway| gateway.to_string());
            let details = [
                ("address", address.to_string().into()),
                ("gateway", gateway.into()),
            ];
            log.event(Level::Info, "got an address by DHCP", &details);
        }
        Lease::Lost { address } => {
            let details = [("address", address.to_string().into())];
            log.event(Level::Warning, "lost the address from DHCP", &details);
        }
    }
}
