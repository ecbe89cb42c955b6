//! Log lines of the listener and of the DHCP client.

use std::fmt::Display;

use linecho_examples::log::{Level, Log};
use linecho_examples::server_log::counters;
use linecho_smoltcp::{Counters, Event, Reason};

use crate::dhcp;

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

/// Returns the level at which the end of a session is logged: debug for a balancer's health check,
/// which sends nothing, or resets when everything has come back.
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

pub(crate) fn log_dhcp(log: &Log, event: dhcp::Event) {
    use dhcp::Event;
    let text = |text: &dyn Display| text.to_string().into();
    match event {
        Event::Got(lease) => {
            let gateway = lease
                .gateway
                .map_or("none".into(), |gateway| text(&gateway));
            let details = [("address", text(&lease.address)), ("gateway", gateway)];
            log.event(Level::Info, "got an address by DHCP", &details);
        }
        Event::Lost(lease) => {
            let details = [("address", text(&lease.address))];
            log.event(Level::Warning, "lost the address from DHCP", &details);
        }
        Event::GuessedMask { server, prefix } => {
            let details = [
                ("server", text(&server)),
                ("prefix", u64::from(prefix).into()),
            ];
            let event = "the DHCP server gave no mask: took that of the address's class";
            log.event(Level::Warning, event, &details);
        }
        Event::ShortLease { server, seconds } => {
            let details = [
                ("server", text(&server)),
                ("seconds", u64::from(seconds).into()),
            ];
            let event = "the DHCP server's lease is too short: took it for 10 s";
            log.event(Level::Warning, event, &details);
        }
        Event::Refused { server } => {
            let details = [("server", text(&server))];
            log.event(
                Level::Warning,
                "the DHCP server refused the address",
                &details,
            );
        }
    }
}
