use super::*;
use crate::testing::World;
use crate::testing::echo::{Client, PORT, Stack, echo, ipv4, ipv6, socket};
use smoltcp::phy::{RxToken as _, TxToken as _};
use smoltcp::wire::{IpAddress, IpCidr};
use std::collections::BTreeSet;

const HARSH: Faults = Faults {
    delay: Duration::from_millis(5),
    jitter: Duration::from_millis(3),
    loss_permille: 200,
    duplicate_permille: 200,
    reorder_permille: 200,
    corrupt_permille: 200,
    ..Faults::NONE
};

fn ms(ms: i64) -> Instant {
    Instant::from_millis(ms)
}

fn link_with(faults: Faults) -> FaultyLink {
    FaultyLink::new(Medium::Ip, 1500, 1, faults)
}

fn send(device: &mut impl Device, now: Instant, frame: &[u8]) {
    let token = device.transmit(now).unwrap();
    token.consume(frame.len(), |to| to.copy_from_slice(frame));
}

fn receive(device: &mut impl Device, now: Instant) -> Option<Vec<u8>> {
    device
        .receive(now)
        .map(|(rx, _)| rx.consume(<[u8]>::to_vec))
}

/// Sends numbered frames from A, and returns everything that arrives at B.
fn carry(link: &mut FaultyLink, frames: u16) -> Vec<Vec<u8>> {
    let mut arrived = Vec::new();
    for number in 0..frames {
        let now = ms(number.into());
        send(
            &mut link.end(Side::A),
            now,
            &[&number.to_be_bytes()[..], &[0; 98]].concat(),
        );
        while let Some(frame) = receive(&mut link.end(Side::B), now) {
            arrived.push(frame);
        }
    }
    while let Some(now) = link.next_arrival() {
        arrived.extend(receive(&mut link.end(Side::B), now));
    }
    let counters = link.counters(Side::A);
    assert_eq!(counters.sent, u64::from(frames));
    assert_eq!(counters.delivered, arrived.len() as u64);
    let gone = counters.lost + counters.overflowed + counters.too_long;
    assert_eq!(
        counters.sent + counters.duplicated,
        counters.delivered + gone
    );
    arrived
}

fn number(frame: &[u8]) -> u16 {
    u16::from_be_bytes([frame[0], frame[1]])
}

#[test]
fn a_perfect_link_carries_all_in_order_at_once() {
    let mut link = link_with(Faults::NONE);
    send(&mut link.end(Side::A), ms(7), b"to b");
    send(&mut link.end(Side::B), ms(7), b"to a");
    assert_eq!(link.under_way(), 2);
    assert_eq!(link.next_arrival(), Some(ms(7)));
    assert_eq!(receive(&mut link.end(Side::A), ms(6)), None);
    assert_eq!(receive(&mut link.end(Side::A), ms(7)).unwrap(), b"to a");
    assert_eq!(receive(&mut link.end(Side::B), ms(7)).unwrap(), b"to b");
    assert_eq!(link.next_arrival(), None);
}

#[test]
fn frames_of_the_same_time_stay_in_order() {
    let mut link = link_with(Faults::NONE);
    let arrived = carry(&mut link, 100);
    let numbers: Vec<_> = arrived.iter().map(|frame| number(frame)).collect();
    assert_eq!(numbers, (0..100).collect::<Vec<_>>());
}

#[test]
fn a_delayed_frame_arrives_on_time() {
    let mut link = link_with(Faults {
        delay: Duration::from_millis(20),
        ..Faults::NONE
    });
    send(&mut link.end(Side::A), ms(5), b"x");
    assert_eq!(link.next_arrival(), Some(ms(25)));
    assert_eq!(receive(&mut link.end(Side::B), ms(24)), None);
    assert!(receive(&mut link.end(Side::B), ms(25)).is_some());
}

#[test]
fn one_seed_is_one_fate() {
    let fate = |seed| carry(&mut FaultyLink::new(Medium::Ip, 1500, seed, HARSH), 500);
    assert_eq!(fate(1), fate(1));
    assert_ne!(fate(1), fate(2));
}

/// A noted seed must mean the same after an update.
#[test]
fn the_fate_of_a_seed_does_not_change() {
    let mut link = link_with(HARSH);
    let numbers: Vec<_> = carry(&mut link, 12)
        .iter()
        .map(|frame| number(frame))
        .collect();
    assert_eq!(numbers, [1, 0, 3, 4, 3, 5, 7, 6, 7, 10, 11, 11, 9]);
    let Counters {
        lost,
        duplicated,
        held_back,
        corrupted,
        ..
    } = link.counters(Side::A);
    assert_eq!([lost, duplicated, held_back, corrupted], [2, 3, 1, 2]);
}

#[test]
fn each_fault_happens_as_often_as_told() {
    let mut link = link_with(HARSH);
    let arrived = carry(&mut link, 10_000);
    let counters = link.counters(Side::A);
    let about_a_fifth = |count: u64, of: u64| (of * 180..of * 220).contains(&(count * 1000));
    assert!(about_a_fifth(counters.lost, 10_000), "{counters:?}");
    let kept = 10_000 - counters.lost;
    assert!(about_a_fifth(counters.duplicated, kept), "{counters:?}");
    assert!(about_a_fifth(counters.held_back, kept), "{counters:?}");
    assert!(about_a_fifth(counters.corrupted, kept), "{counters:?}");

    let overtaken = arrived
        .windows(2)
        .filter(|two| number(&two[0]) > number(&two[1]))
        .count();
    assert!(overtaken > 1000, "{overtaken}");
}

#[test]
fn a_corrupt_frame_has_one_flipped_bit_anywhere() {
    let mut link = link_with(Faults {
        corrupt_permille: 1000,
        ..Faults::NONE
    });
    let mut places = BTreeSet::new();
    for at in 0..2_000 {
        send(&mut link.end(Side::A), ms(at), &[0; 10]);
        let frame = receive(&mut link.end(Side::B), ms(at)).unwrap();
        let bits = u128::from_be_bytes([vec![0; 6], frame].concat().try_into().unwrap());
        assert_eq!(bits.count_ones(), 1);
        places.insert(bits.trailing_zeros());
    }
    assert_eq!(places.len(), 80);
}

#[test]
fn the_rate_is_kept_and_the_queue_is_bounded() {
    let faults = Faults {
        bytes_per_second: 10_000,
        queue_frames: 3,
        ..Faults::NONE
    };
    let mut link = link_with(faults);
    for _ in 0..5 {
        send(&mut link.end(Side::A), ms(0), &[0; 100]);
    }
    assert_eq!(link.counters(Side::A).overflowed, 2);
    for arrival in [10, 20, 30] {
        assert_eq!(link.next_arrival(), Some(ms(arrival)));
        assert!(receive(&mut link.end(Side::B), ms(arrival)).is_some());
    }
    // What was dropped has taken no time on the line.
    send(&mut link.end(Side::A), ms(30), &[0; 100]);
    assert_eq!(link.next_arrival(), Some(ms(40)));
}

#[test]
fn a_frame_over_the_mtu_is_lost() {
    let mut link = link_with(Faults::NONE);
    send(&mut link.end(Side::A), ms(0), &[0; 1501]);
    send(&mut link.end(Side::A), ms(0), &[0; 1500]);
    assert_eq!(receive(&mut link.end(Side::B), ms(0)).unwrap().len(), 1500);
    assert_eq!(link.counters(Side::A).too_long, 1);
}

#[test]
fn one_direction_can_be_cut() {
    let mut link = link_with(Faults::NONE);
    link.set_faults(
        Side::A,
        Faults {
            loss_permille: 1000,
            ..Faults::NONE
        },
    );
    send(&mut link.end(Side::A), ms(0), b"x");
    send(&mut link.end(Side::B), ms(0), b"x");
    assert!(receive(&mut link.end(Side::B), ms(0)).is_none());
    assert!(receive(&mut link.end(Side::A), ms(0)).is_some());
}

#[test]
fn buffers_are_used_again() {
    let mut link = link_with(Faults::NONE);
    for at in 0..100 {
        send(&mut link.end(Side::A), ms(at), &[0; 1000]);
        assert!(receive(&mut link.end(Side::B), ms(at)).is_some());
    }
    assert!(link.lanes[0].spare() <= 2);
}

/// Longer than any connection here may take.
const HOUR: Duration = Duration::from_secs(3600);

fn talk(seed: u64, faults: Faults, server_address: IpAddress, total: usize) -> FaultyLink {
    let mut world = World::new(Medium::Ip, 1500, seed, faults);
    let mut host = |side, number| {
        let addresses = [IpCidr::new(ipv4(number), 24), IpCidr::new(ipv6(number), 64)];
        Stack::of(world.host(side, addresses, number.into()))
    };
    let mut client = host(Side::A, 1);
    let mut server = host(Side::B, 2);
    server.socket().listen(PORT).unwrap();
    client.connect(server_address);
    let mut check = Client::new(total);
    while !check.is_done() {
        let now = world.now();
        client.turn(now, &mut world.link.end(Side::A), |socket| {
            check.play(socket);
        });
        server.turn(now, &mut world.link.end(Side::B), echo);
        let deadlines = [client.host.poll_at(now), server.host.poll_at(now)];
        world.pass(deadlines, HOUR).unwrap();
        assert!(world.now() < Instant::ZERO + HOUR.into(), "no end in sight");
    }
    world.link
}

#[test]
fn nothing_corrupt_gets_through_two_stacks() {
    for seed in 0..20 {
        let link = talk(
            seed,
            HARSH,
            if seed % 2 == 0 { ipv4(2) } else { ipv6(2) },
            20_000,
        );
        for side in [Side::A, Side::B] {
            assert!(link.counters(side).corrupted > 0, "seed {seed}");
        }
    }
}

#[test]
fn a_server_and_a_client_share_one_stack() {
    for faults in [Faults::NONE, HARSH] {
        let mut loopback = FaultyLoopback::new(Medium::Ip, 1500, 1, faults);
        let mut now = Instant::ZERO;
        let mut stack = Stack::new(&mut loopback, 1, now);
        let mut listening = socket();
        listening.listen(PORT).unwrap();
        let server = stack.host.sockets.add(listening);
        stack.connect(ipv4(1));
        let mut check = Client::new(20_000);
        while !check.is_done() {
            stack.turn(now, &mut loopback, |socket| check.play(socket));
            echo(stack.host.socket(server));
            let next = [stack.host.poll_at(now), loopback.next_arrival()];
            now = now.max(next.into_iter().flatten().min().expect("it goes on"));
            assert!(now < Instant::ZERO + HOUR.into(), "no end in sight");
        }
        let counters = loopback.counters();
        assert!(counters.delivered > 0);
        assert_eq!(counters.corrupted > 0, faults == HARSH);
    }
}
