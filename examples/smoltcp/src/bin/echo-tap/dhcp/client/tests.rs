//! Servers of all kinds, in virtual time.

use super::super::message::tests::{HARDWARE, message};
use super::*;
use linecho_smoltcp::smoltcp::wire::{DhcpPacket, DhcpRepr};

const SERVER: [u8; 4] = [10, 0, 0, 1];
const OTHER: [u8; 4] = [10, 0, 0, 66];
const ADDRESS: [u8; 4] = [10, 0, 0, 9];
const MASK: &[u8] = &[1, 4, 255, 255, 255, 0];
const ROUTER: &[u8] = &[3, 4, 10, 0, 0, 2];
const HOUR: &[u8] = &[51, 4, 0, 0, 14, 16];

const OFFER: u8 = 2;
const ACK: u8 = 5;
const NAK: u8 = 6;

struct World {
    client: Client,
    now: Instant,
}

impl World {
    fn new() -> Self {
        Self {
            client: Client::new(HARDWARE, 7, Instant::ZERO),
            now: Instant::ZERO,
        }
    }

    /// With a lease of an hour.
    fn leased() -> Self {
        let mut world = Self::new();
        world.send(DhcpMessageType::Discover);
        assert_eq!(world.answer(OFFER, SERVER, &[]), []);
        world.send(DhcpMessageType::Request);
        let events = world.answer(ACK, SERVER, &[MASK, ROUTER, HOUR]);
        assert!(matches!(events[..], [Event::Got(_)]), "{events:?}");
        world
    }

    /// Lets time go by until it sends a message, which must be of this kind.
    #[track_caller]
    fn send(&mut self, kind: DhcpMessageType) -> Outgoing {
        self.now = self.now.max(self.client.deadline().expect("it has one"));
        let (message, event) = self.client.poll(self.now);
        assert_eq!(event, None);
        let message = message.expect("it is due");
        assert_eq!(kind_of(&message), kind);
        message
    }

    fn answer(&mut self, kind: u8, server: [u8; 4], options: &[&[u8]]) -> Vec<Event> {
        let [a, b, c, d] = server;
        let head = [53, 1, kind, 54, 4, a, b, c, d];
        let options = [&head[..], &options.concat()].concat();
        let bytes = message(self.client.transaction, ADDRESS, &options);
        self.client
            .receive(self.now, &bytes)
            .into_iter()
            .flatten()
            .collect()
    }

    fn seconds(&self) -> u64 {
        self.now.saturating_duration_since(Instant::ZERO).as_secs()
    }
}

fn kind_of(message: &Outgoing) -> DhcpMessageType {
    let packet = DhcpPacket::new_checked(&message.bytes[..]).expect("it is whole");
    DhcpRepr::parse(&packet)
        .expect("it is well formed")
        .message_type
}

fn lease(prefix: u8, gateway: Option<[u8; 4]>) -> Event {
    Event::Got(Lease {
        address: Ipv4Cidr::new(ADDRESS.into(), prefix),
        gateway: gateway.map(Into::into),
        server: SERVER.into(),
    })
}

#[test]
fn a_lease_is_had_and_renewed_at_half_its_time() {
    let mut world = World::leased();
    let renewal = world.send(DhcpMessageType::Request);
    assert_eq!(world.seconds(), 1800);
    assert_eq!(renewal.route, Some((ADDRESS.into(), SERVER.into())));
    assert_eq!(world.answer(ACK, SERVER, &[MASK, ROUTER, HOUR]), []);
    world.send(DhcpMessageType::Request);
    assert_eq!(world.seconds(), 3600);
}

#[test]
fn what_a_renewal_leaves_out_stays() {
    let mut world = World::leased();
    world.send(DhcpMessageType::Request);
    assert_eq!(world.answer(ACK, SERVER, &[HOUR]), []);
    let State::Leased { lease: kept, .. } = world.client.state else {
        panic!("{:?}", world.client);
    };
    assert_eq!(Event::Got(kept), lease(24, Some([10, 0, 0, 2])));
}

#[test]
fn without_a_mask_that_of_the_class_is_taken_and_told() {
    let mut world = World::new();
    world.send(DhcpMessageType::Discover);
    world.answer(OFFER, SERVER, &[]);
    let events = world.answer(ACK, SERVER, &[HOUR]);
    let guessed = Event::GuessedMask {
        server: SERVER.into(),
        prefix: 8,
    };
    assert_eq!(events, [guessed, lease(8, None)]);
    for (address, prefix) in [
        ([10, 0, 0, 1], 8),
        ([172, 16, 0, 1], 16),
        ([192, 168, 0, 1], 24),
    ] {
        assert_eq!(class_prefix(address.into()), prefix);
    }
}

#[test]
fn only_the_server_that_was_asked_may_refuse() {
    let mut world = World::new();
    world.send(DhcpMessageType::Discover);
    world.answer(OFFER, SERVER, &[]);
    assert_eq!(world.answer(NAK, OTHER, &[]), []);
    let events = world.answer(ACK, SERVER, &[MASK, HOUR]);
    assert_eq!(events, [lease(24, None)]);
    world.send(DhcpMessageType::Request);
    assert_eq!(world.answer(NAK, OTHER, &[]), []);
    let events = world.answer(NAK, SERVER, &[]);
    assert!(
        matches!(events[..], [Event::Refused { .. }, Event::Lost(_)]),
        "{events:?}"
    );
}

#[test]
fn a_server_that_always_refuses_is_asked_ever_more_rarely() {
    let mut world = World::new();
    let mut messages = 0;
    while world.seconds() < 3600 {
        world.send(DhcpMessageType::Discover);
        world.answer(OFFER, SERVER, &[]);
        world.send(DhcpMessageType::Request);
        let refused = Event::Refused {
            server: SERVER.into(),
        };
        assert_eq!(world.answer(NAK, SERVER, &[]), [refused]);
        messages += 2;
    }
    assert!((100..150).contains(&messages), "{messages}");
}

#[test]
fn a_lease_of_no_time_is_no_storm() {
    let mut world = World::new();
    world.send(DhcpMessageType::Discover);
    world.answer(OFFER, SERVER, &[]);
    world.send(DhcpMessageType::Request);
    let none = [51, 4, 0, 0, 0, 0];
    let events = world.answer(ACK, SERVER, &[MASK, &none]);
    let short = Event::ShortLease {
        server: SERVER.into(),
        seconds: 0,
    };
    assert_eq!(events, [short, lease(24, None)]);
    let mut messages = 0;
    while world.seconds() < 60 {
        world.send(DhcpMessageType::Request);
        assert_eq!(world.answer(ACK, SERVER, &[MASK, &none]), []);
        messages += 1;
    }
    assert!((10..=13).contains(&messages), "{messages}");
}

#[test]
fn times_of_the_server_are_kept_if_they_make_sense() {
    for (renewal, rebinding, due) in [
        (60, 120, 60),
        (0, 0, 1800),
        (120, 60, 1800),
        (1, 7200, 1800),
    ] {
        let mut world = World::new();
        world.send(DhcpMessageType::Discover);
        world.answer(OFFER, SERVER, &[]);
        world.send(DhcpMessageType::Request);
        let time = |code, [a, b]: [u8; 2]| [code, 4, 0, 0, a, b];
        let (t1, t2) = (u16::to_be_bytes(renewal), u16::to_be_bytes(rebinding));
        world.answer(ACK, SERVER, &[MASK, HOUR, &time(58, t1), &time(59, t2)]);
        world.send(DhcpMessageType::Request);
        assert_eq!(world.seconds(), due, "{renewal} {rebinding}");
    }
}

#[test]
fn a_lease_for_ever_is_never_renewed() {
    let mut world = World::new();
    world.send(DhcpMessageType::Discover);
    world.answer(OFFER, SERVER, &[]);
    world.send(DhcpMessageType::Request);
    world.answer(ACK, SERVER, &[MASK, &[51, 4, 255, 255, 255, 255]]);
    assert_eq!(world.client.deadline(), None);
}

#[test]
fn when_its_server_is_silent_all_are_asked_and_then_it_begins_anew() {
    let mut world = World::leased();
    let mut to_all = 0;
    loop {
        world.now = world.client.deadline().expect("it has one");
        let (message, event) = world.client.poll(world.now);
        let message = message.expect("it is due");
        if event.is_some() {
            assert!(matches!(event, Some(Event::Lost(_))), "{event:?}");
            assert_eq!(kind_of(&message), DhcpMessageType::Discover);
            break;
        }
        to_all += u32::from(message.route.is_none());
        assert_eq!(
            message.route.is_none(),
            world.seconds() >= 3150,
            "{}",
            world.seconds()
        );
    }
    assert_eq!(world.seconds(), 3600);
    assert!((2..20).contains(&to_all), "{to_all}");
}

#[test]
fn nobody_answers_and_it_goes_on_asking_more_rarely() {
    let mut world = World::new();
    world.send(DhcpMessageType::Discover);
    for longest in [1000, 2000, 4000, 8000, 16_000, 32_000, 64_000, 64_000] {
        let before = world.now;
        world.send(DhcpMessageType::Discover);
        let wait = world.now.saturating_duration_since(before).as_millis();
        assert!(
            (longest * 3 / 4..=longest).contains(&wait),
            "{wait} {longest}"
        );
    }
}

#[test]
fn it_asks_within_a_second_of_the_link_coming_up() {
    let mut world = World::new();
    for _ in 0..100 {
        let before = world.now;
        world.send(DhcpMessageType::Discover);
        let wait = world.now.saturating_duration_since(before);
        assert!(wait <= Duration::from_secs(1), "{wait:?}");
        world.client.link_is_down(world.now);
    }
    assert!(world.seconds() > 50, "{}", world.seconds());
}

#[test]
fn an_offer_that_is_not_confirmed_is_asked_for_a_few_times() {
    let mut world = World::new();
    world.send(DhcpMessageType::Discover);
    world.answer(OFFER, SERVER, &[]);
    for _ in 0..REQUESTS {
        world.send(DhcpMessageType::Request);
    }
    world.send(DhcpMessageType::Discover);
}
