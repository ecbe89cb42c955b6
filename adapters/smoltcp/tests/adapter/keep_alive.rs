//! Silent peers: keep-alive probes, which never harm the echo.

use std::time::Duration;

use crate::kit::raw::{Raw, Segment};
use crate::kit::{Kit, Server};
use linecho_smoltcp::smoltcp::socket::tcp::State;
use linecho_smoltcp::smoltcp::wire::{IpAddress, TcpControl};
use linecho_smoltcp::{Config, HashedListener, LongLines, Options};

const SECOND: Duration = Duration::from_secs(1);
const MILLISECOND: Duration = Duration::from_millis(1);

fn raw() -> Raw {
    Raw::new(IpAddress::v4(10, 0, 0, 9), 1)
}

/// The half of the echo that gets lost.
const LOST: [u8; 500] = {
    let mut line = [b'x'; 500];
    line[499] = b'\n';
    line
};

/// A peer that shrinks its window to nothing while a segment of the echo is lost, and opens it
/// again for just that segment: smoltcp then has data in flight, and no timer to send it again by.
/// Returns the segments that the server sends from then on.
fn after_a_window_that_shrank<L: Server>(mut kit: Kit<1, L>) -> (Raw, Vec<Segment>) {
    let mut raw = raw();
    raw.window = 1000;
    raw.connect(&mut kit);
    for _ in 0..2 {
        raw.send(&mut kit, &LOST);
        kit.pass(MILLISECOND);
    }
    let [first, lost] = &raw.take(&kit)[..] else {
        panic!("two segments")
    };
    assert_eq!(
        (&first.payload[..], &lost.payload[..]),
        (&LOST[..], &LOST[..])
    );
    raw.ack = Some(lost.seq);
    for window in [0, 500] {
        raw.window = window;
        raw.ack(&mut kit);
        kit.pass(MILLISECOND);
    }
    kit.pass(200 * SECOND);
    let segments = raw.take(&kit);
    (raw, segments)
}

/// Asserts that each byte that the peer could take for one of the lost ones is that one.
#[track_caller]
fn assert_exact((raw, segments): (Raw, Vec<Segment>)) {
    let lost = raw.ack.unwrap();
    for segment in segments {
        for (place, &byte) in segment.payload.iter().enumerate() {
            let at = segment.seq + place;
            if at >= lost {
                assert_eq!(byte, LOST[at - lost], "byte {} of what was lost", at - lost);
            }
        }
    }
}

#[test]
fn no_byte_of_a_probe_takes_the_place_of_a_lost_one() {
    assert_exact(after_a_window_that_shrank(Kit::<1>::new(Options::DEFAULT)));
}

#[test]
fn no_byte_of_a_probe_of_the_hashed_listener_takes_the_place_of_a_lost_one() {
    let kit = Kit::<1, HashedListener<'static, 1>>::hashed(Options::DEFAULT, 1);
    assert_exact(after_a_window_that_shrank(kit));
}

#[test]
fn a_quiet_peer_is_probed_every_15_s_and_first_30_s_after_a_line() {
    let mut kit = Kit::<1>::new(Options::DEFAULT);
    let mut raw = raw();
    raw.connect(&mut kit);
    for _ in 0..3 {
        for _ in 0..20 {
            let (since, seen) = (kit.now(), kit.seen.len());
            kit.drive("a probe", 17 * SECOND, |kit| kit.seen.len() > seen);
            assert!(kit.now() >= since + 15 * SECOND);
            let [probe] = &raw.take(&kit)[..] else {
                panic!("one probe")
            };
            assert_eq!(Some(probe.seq + 1), raw.ack);
            assert_eq!(probe.payload, b"");
            raw.ack(&mut kit);
        }
        raw.send(&mut kit, b"a line\n");
        kit.pass(MILLISECOND);
        assert_eq!(raw.take_and_note(&kit)[0].payload, b"a line\n");
        raw.ack(&mut kit);
        kit.pass(15 * SECOND);
    }
}

/// The device is full when the probes of both peers are due, and for a while after that.
fn probes_that_found_the_device_full<L: Server>(mut kit: Kit<2, L>) {
    let mut peers = [1, 2].map(|port| Raw::new(IpAddress::v4(10, 0, 0, 9), port));
    for peer in &mut peers {
        peer.connect(&mut kit);
    }
    kit.pass(14 * SECOND);
    kit.server.device.full = true;
    kit.pass(4 * SECOND);
    assert_eq!(peers.each_mut().map(|peer| peer.take(&kit).len()), [0, 0]);
    kit.server.device.full = false;
    kit.pass(2 * MILLISECOND);
    assert_eq!(peers.each_mut().map(|peer| peer.take(&kit).len()), [1, 1]);
}

#[test]
fn a_listener_sends_the_probes_that_found_the_device_full() {
    probes_that_found_the_device_full(Kit::<2>::new(Options::DEFAULT));
}

#[test]
fn a_hashed_listener_sends_the_probes_that_found_the_device_full() {
    let kit = Kit::<2, HashedListener<'static, 2>>::hashed(Options::DEFAULT, 2);
    probes_that_found_the_device_full(kit);
}

/// Two connections for five minutes: on the one, a line each second; the other does nothing. Both
/// are alive at the end.
fn five_minutes_beside_a_busy_one(kit: &mut Kit<3>, quiet: usize, busy: usize) {
    for _ in 0..300 {
        kit.echo(busy, b"busy\n");
        kit.pass(SECOND);
    }
    assert_eq!(kit.state(quiet), State::Established);
}

#[test]
fn a_connection_with_an_unfinished_line_lives_on_beside_a_busy_one() {
    let mut kit = Kit::<3>::new(Options::DEFAULT);
    let (quiet, busy) = (kit.connect(), kit.connect());
    kit.send(quiet, b"unfin");
    five_minutes_beside_a_busy_one(&mut kit, quiet, busy);
    kit.send(quiet, b"ished\n");
    kit.drive("the line", SECOND, |kit| {
        kit.client[quiet].received == b"unfinished\n"
    });
}

#[test]
fn a_connection_that_waits_for_a_line_buffer_lives_on() {
    let mut kit = Kit::<3>::with_lines(Options::DEFAULT, 1);
    let (holder, waiting) = (kit.connect(), kit.connect());
    kit.send(holder, b"unfin");
    kit.pass(SECOND);
    kit.send(waiting, b"patient\n");
    kit.pass(300 * SECOND);
    assert_eq!(kit.client[waiting].received, b"");
    kit.send(holder, b"ished\n");
    kit.drive("both lines", SECOND, |kit| {
        kit.client[holder].received == b"unfinished\n"
            && kit.client[waiting].received == b"patient\n"
    });
}

#[test]
fn a_fin_that_a_fast_retransmission_forgot_is_sent_again() {
    let session = Config::new().long_lines(LongLines::Close);
    let mut kit = Kit::<2>::new(session.into());
    let mut raw = raw();
    raw.connect(&mut kit);
    raw.send(&mut kit, &[b'x'; 300]);
    kit.pass(MILLISECOND);
    let fin = raw.take(&kit).pop().unwrap();
    assert_eq!(fin.control, TcpControl::Fin);
    // It is lost, and the peer repeats itself.
    raw.ack = Some(fin.seq);
    for _ in 0..4 {
        raw.ack(&mut kit);
        kit.pass(MILLISECOND);
    }
    raw.take(&kit);
    kit.pass(16 * SECOND);
    let again = raw.take_and_note(&kit);
    assert_eq!((again[0].control, again[0].seq), (fin.control, fin.seq));
    raw.ack(&mut kit);
    kit.pass(MILLISECOND);
    assert_eq!(kit.server_states(), [State::FinWait2, State::Listen]);
}
