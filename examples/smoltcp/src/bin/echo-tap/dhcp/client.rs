//! A client of DHCP (RFC 2131) as a state machine: no I/O, no clock.

use std::time::Duration;

use linecho_smoltcp::Instant;
use linecho_smoltcp::smoltcp::wire::{DhcpMessageType, EthernetAddress, Ipv4Address, Ipv4Cidr};

use super::message::{Answer, Request, is_of_a_host};

/// The wait for the first answer: shorter than the four seconds of RFC 2131, 4.1, since the server
/// often comes up with the link. Each further wait is twice as long, up to the longest.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(64);
/// The pause before the next try when the last was not sent at all, since the link is down.
const LINK_DOWN_WAIT: Duration = Duration::from_secs(1);
/// The number of requests for an offer before the search begins again.
const REQUESTS: u32 = 4;
/// A lease for less counts as one for so long: it could only be renewed all the time.
const SHORTEST_LEASE: u32 = 10;
/// A lease for ever (RFC 2131, 3.3).
const INFINITE: u32 = u32::MAX;
/// A server that says nothing of the time means this.
const DEFAULT_LEASE: u32 = 3600;
/// The shortest wait for an answer to a renewal.
const SHORTEST_RENEWAL_WAIT: Duration = Duration::from_secs(2);

/// A lease of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lease {
    /// The address, with the length of the network's prefix.
    pub(crate) address: Ipv4Cidr,
    /// The way to other networks, if the server knows one.
    pub(crate) gateway: Option<Ipv4Address>,
    /// The server.
    pub(crate) server: Ipv4Address,
}

/// Something that people may want to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// There is a lease, or another one than before.
    Got(Lease),
    /// The lease has ended, or the server has taken it back.
    Lost(Lease),
    /// The server gave no mask: that of the address's class was taken (RFC 791).
    GuessedMask { server: Ipv4Address, prefix: u8 },
    /// The server leases for less than a client can renew.
    ShortLease { server: Ipv4Address, seconds: u32 },
    /// The server has refused what it had offered or leased.
    Refused { server: Ipv4Address },
}

/// The client.
#[derive(Debug)]
pub(crate) struct Client {
    hardware: EthernetAddress,
    random: u64,
    state: State,
    /// The time of the next message.
    due: Instant,
    transaction: u32,
    /// The number of refusals in a row.
    refusals: u32,
    /// The server that was last told of.
    warned_of: Option<Ipv4Address>,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Searching { tries: u32 },
    Requesting { offer: Answer, tries: u32 },
    Leased { lease: Lease, times: Times },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Times {
    /// The time from which all servers are asked, and the end. `None` for a lease for ever.
    rebinding: Option<Instant>,
    end: Option<Instant>,
}

/// A message, and whether it goes to the server alone or to all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Outgoing {
    pub(crate) bytes: Vec<u8>,
    /// Our address, from which it goes to the server; else it goes from no address to all.
    pub(crate) route: Option<(Ipv4Address, Ipv4Address)>,
}

impl Client {
    /// Starts to search at once. `random` seeds its choices.
    pub(crate) const fn new(hardware: EthernetAddress, random: u64, now: Instant) -> Self {
        Self {
            hardware,
            random,
            state: State::Searching { tries: 0 },
            due: now,
            transaction: 0,
            refusals: 0,
            warned_of: None,
        }
    }

    /// Returns when it is next to be polled.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let is_for_ever = matches!(self.state, State::Leased { times, .. } if times.end.is_none());
        (!is_for_ever).then_some(self.due)
    }

    /// Returns `true` while it searches.
    pub(crate) const fn is_searching(&self) -> bool {
        matches!(self.state, State::Searching { .. })
    }

    /// Tells it that the last message was not sent, since the link is down.
    pub(crate) fn link_is_down(&mut self, now: Instant) {
        self.state = State::Searching { tries: 0 };
        self.due = self.due.min(now + LINK_DOWN_WAIT);
    }

    /// Returns the message that is due, and what has happened.
    pub(crate) fn poll(&mut self, now: Instant) -> (Option<Outgoing>, Option<Event>) {
        if self.deadline().is_none_or(|due| now < due) {
            return (None, None);
        }
        match self.state {
            State::Requesting { tries, .. } if tries == REQUESTS => {
                self.state = State::Searching { tries: 0 };
                (self.discover(now), None)
            }
            State::Searching { .. } => (self.discover(now), None),
            State::Requesting { offer, tries } => {
                self.state = State::Requesting {
                    offer,
                    tries: tries + 1,
                };
                self.due = now + self.wait(tries);
                (Some(self.request(offer)), None)
            }
            State::Leased { lease, times } => match times.end {
                Some(end) if end <= now => {
                    self.search(now);
                    (self.discover(now), Some(Event::Lost(lease)))
                }
                _ => (Some(self.renew(now, lease, times)), None),
            },
        }
    }

    /// Takes in a message, and returns what has happened.
    pub(crate) fn receive(&mut self, now: Instant, payload: &[u8]) -> [Option<Event>; 2] {
        let Some(answer) = Answer::parse(payload, self.hardware) else {
            return [None; 2];
        };
        if answer.transaction != self.transaction {
            return [None; 2];
        }
        let is_host = is_of_a_host(answer.address);
        match (self.state, answer.kind) {
            (State::Searching { tries }, DhcpMessageType::Offer) if tries > 0 && is_host => {
                self.state = State::Requesting {
                    offer: answer,
                    tries: 0,
                };
                self.due = now;
                [None; 2]
            }
            // Any server may answer what was sent to all, but only the one that was asked may
            // refuse.
            (State::Requesting { offer, .. }, DhcpMessageType::Ack)
                if is_host && answer.server == offer.server =>
            {
                self.take(now, answer, None)
            }
            (State::Leased { lease, .. }, DhcpMessageType::Ack) if is_host => {
                self.take(now, answer, Some(lease))
            }
            (State::Requesting { offer, .. }, DhcpMessageType::Nak)
                if answer.server == offer.server =>
            {
                [Some(self.refused(now, answer.server)), None]
            }
            (State::Leased { lease, .. }, DhcpMessageType::Nak)
                if answer.server == lease.server =>
            {
                [
                    Some(self.refused(now, answer.server)),
                    Some(Event::Lost(lease)),
                ]
            }
            _ => [None; 2],
        }
    }

    fn discover(&mut self, now: Instant) -> Option<Outgoing> {
        let State::Searching { tries } = self.state else {
            return None;
        };
        self.state = State::Searching { tries: tries + 1 };
        self.due = now + self.wait(tries);
        self.transaction = self.random() as u32;
        Some(self.to_all(Request {
            kind: DhcpMessageType::Discover,
            transaction: self.transaction,
            own: None,
            wanted: None,
            server: None,
        }))
    }

    /// Asks for what was offered.
    fn request(&self, offer: Answer) -> Outgoing {
        self.to_all(Request {
            kind: DhcpMessageType::Request,
            transaction: self.transaction,
            own: None,
            wanted: Some(offer.address),
            server: Some(offer.server),
        })
    }

    /// Asks for more time: the server, and when that stays silent, all servers.
    fn renew(&mut self, now: Instant, lease: Lease, times: Times) -> Outgoing {
        let is_for_all = times.rebinding.is_some_and(|rebinding| rebinding <= now);
        let next = if is_for_all {
            times.end
        } else {
            times.rebinding
        };
        let left = next.unwrap_or(now).saturating_duration_since(now);
        self.due = now + (left / 2).max(SHORTEST_RENEWAL_WAIT);
        if let Some(next) = next {
            self.due = self.due.min(next.max(now + SHORTEST_RENEWAL_WAIT));
        }
        self.transaction = self.random() as u32;
        let own = lease.address.address();
        let request = Request {
            kind: DhcpMessageType::Request,
            transaction: self.transaction,
            own: Some(own),
            wanted: None,
            server: None,
        };
        Outgoing {
            bytes: request.bytes(self.hardware),
            route: (!is_for_all).then_some((own, lease.server)),
        }
    }

    fn to_all(&self, request: Request) -> Outgoing {
        Outgoing {
            bytes: request.bytes(self.hardware),
            route: None,
        }
    }

    /// Takes a lease. What a renewal leaves out stays as it was.
    fn take(&mut self, now: Instant, answer: Answer, before: Option<Lease>) -> [Option<Event>; 2] {
        self.refusals = 0;
        let server = answer.server;
        let same = before.filter(|lease| lease.address.address() == answer.address);
        let known = same.map(|lease| lease.address.prefix_len());
        let guessed = class_prefix(answer.address);
        let prefix = answer.prefix.or(known).unwrap_or(guessed);
        let lease = Lease {
            address: Ipv4Cidr::new(answer.address, prefix),
            gateway: answer.router.or(same.and_then(|lease| lease.gateway)),
            server,
        };

        let seconds = answer.lease.unwrap_or(DEFAULT_LEASE);
        let times = self.times(now, &answer, seconds.max(SHORTEST_LEASE));
        self.state = State::Leased { lease, times };

        let is_new = before.is_none_or(|before| {
            (before.address, before.gateway) != (lease.address, lease.gateway)
        });
        let got = is_new.then_some(Event::Got(lease));
        let is_told = self.warned_of == Some(server);
        let warning = if seconds < SHORTEST_LEASE {
            Some(Event::ShortLease { server, seconds })
        } else if answer.prefix.or(known).is_none() {
            Some(Event::GuessedMask { server, prefix })
        } else {
            None
        };
        let warning = warning.filter(|_| !is_told);
        if warning.is_some() {
            self.warned_of = Some(server);
        }
        [warning, got]
    }

    /// Sets when to renew, and returns when to ask all servers, and the end.
    fn times(&mut self, now: Instant, answer: &Answer, seconds: u32) -> Times {
        if seconds == INFINITE {
            return Times {
                rebinding: None,
                end: None,
            };
        }
        let lease = Duration::from_secs(seconds.into());
        let asked =
            |seconds: Option<u32>| seconds.map(|seconds| Duration::from_secs(seconds.into()));
        // By default half of the time, and seven eighths (RFC 2131, 4.4.5).
        let defaults = (lease / 2, lease * 7 / 8);
        let renewal = asked(answer.renewal).unwrap_or(defaults.0);
        let rebinding = asked(answer.rebinding).unwrap_or(defaults.1);
        let is_fine = renewal >= SHORTEST_RENEWAL_WAIT && renewal < rebinding && rebinding < lease;
        let (renewal, rebinding) = if is_fine {
            (renewal, rebinding)
        } else {
            defaults
        };
        self.due = now + renewal;
        Times {
            rebinding: Some(now + rebinding),
            end: Some(now + lease),
        }
    }

    /// Searches again, after a pause that grows with each refusal in a row.
    fn refused(&mut self, now: Instant, server: Ipv4Address) -> Event {
        self.search(now);
        self.due = now + self.wait(self.refusals);
        self.refusals += 1;
        Event::Refused { server }
    }

    const fn search(&mut self, now: Instant) {
        self.state = State::Searching { tries: 0 };
        self.due = now;
    }

    /// Returns the wait after so many tries, less up to a quarter at random, so that clients that
    /// start together do not stay together.
    fn wait(&mut self, tries: u32) -> Duration {
        let wait = FIRST_WAIT
            .saturating_mul(1 << tries.min(8))
            .min(LONGEST_WAIT);
        let millis = wait.as_millis() as u64;
        wait - Duration::from_millis(self.random() % (millis / 4))
    }

    /// Returns a number that looks random (the algorithm splitmix64).
    const fn random(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.random;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

/// Returns the length of the prefix by the class of an address (RFC 791).
const fn class_prefix(address: Ipv4Address) -> u8 {
    match address.octets()[0] {
        0..128 => 8,
        128..192 => 16,
        _ => 24,
    }
}

#[cfg(test)]
mod tests;
