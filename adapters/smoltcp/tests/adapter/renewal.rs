//! One connection after another on a slot: none inherits anything.

use std::time::Duration;

use crate::kit::Kit;
use crate::kit::raw::Raw;
use linecho_smoltcp::Options;
use linecho_smoltcp::smoltcp::socket::tcp::{self, State};
use linecho_smoltcp::smoltcp::wire::{IpAddress, TcpControl};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn timestamps_come_back_after_a_peer_without_them() {
    let options = Options {
        timestamps: Some(|| 1),
        ..Options::DEFAULT
    };
    let mut kit = Kit::<1>::new(options);
    for (port, timestamps) in [(1, true), (2, false), (3, true)] {
        let mut raw = Raw::new(IpAddress::v4(10, 0, 0, 9), port);
        raw.timestamps = timestamps;
        raw.syn(&mut kit);
        kit.pass(Duration::from_millis(10));
        let answer = raw.take_and_note(&kit);
        assert_eq!(answer[0].timestamp, timestamps, "connection {port}");
        // Refused: smoltcp listens again by itself.
        raw.seq += 1;
        raw.put(&mut kit, TcpControl::Rst, b"");
        kit.pass(Duration::from_millis(10));
        assert_eq!(kit.server_states(), [State::Listen]);
    }
}

#[test]
fn each_connection_has_the_options_as_given() {
    let options = Options {
        dead_peer_timeout: Some(100 * SECOND),
        ack_delay: Some(SECOND / 5),
        nagle: true,
        hop_limit: 0,
        ..Options::DEFAULT
    };
    let mut kit = Kit::<1>::new(options);
    for _ in 0..2 {
        let client = kit.connect();
        kit.echo(client, b"hello\n");
        let (handle, _) = kit.server.sockets.iter().next().unwrap();
        let tcp = kit.server.sockets.get_mut::<tcp::Socket>(handle);
        assert_eq!(tcp.timeout().map(Into::into), options.dead_peer_timeout);
        assert_eq!(tcp.keep_alive(), None, "it would send a NUL");
        assert_eq!(tcp.ack_delay().map(Into::into), options.ack_delay);
        assert!(tcp.nagle_enabled());
        assert_eq!(tcp.hop_limit(), Some(1), "none at all is no life");
        // The next one begins with the opposite.
        tcp.set_timeout(None);
        tcp.set_keep_alive(Some((20 * SECOND).into()));
        tcp.set_nagle_enabled(false);
        tcp.set_hop_limit(None);
        kit.finish(client);
    }
}

#[test]
fn timestamps_come_back_after_a_syn_and_its_rst_in_one_turn() {
    let options = Options {
        timestamps: Some(|| 1),
        ..Options::DEFAULT
    };
    let mut kit = Kit::<1>::new(options);
    let mut raw = Raw::new(IpAddress::v4(10, 0, 0, 9), 1);
    raw.syn(&mut kit);
    raw.seq += 1;
    raw.put(&mut kit, TcpControl::Rst, b"");
    kit.pass(Duration::from_millis(10));
    assert_eq!(kit.server_states(), [State::Listen]);
    let mut raw = Raw::new(IpAddress::v4(10, 0, 0, 9), 2);
    raw.timestamps = true;
    raw.syn(&mut kit);
    kit.pass(Duration::from_millis(10));
    assert!(raw.take(&kit)[0].timestamp);
}

#[test]
fn congestion_state_is_not_inherited() {
    // What a peer that never acknowledges gets at once is the initial window.
    let initial_window = |kit: &mut Kit<1>, port| {
        let mut raw = Raw::new(IpAddress::v4(10, 0, 0, 9), port);
        raw.connect(kit);
        for _ in 0..3 {
            raw.send(kit, &[b'\n'; 1000]);
        }
        let now = kit.now();
        kit.step(now);
        kit.step(now);
        let sent: usize = raw
            .take(kit)
            .iter()
            .map(|segment| segment.payload.len())
            .sum();
        // Retransmissions into the void follow, and the window shrinks.
        kit.pass(10 * SECOND);
        raw.put(kit, TcpControl::Rst, b"");
        kit.drive("the slot listens", SECOND, |kit| {
            kit.server_states() == [State::Listen]
        });
        sent
    };
    let mut kit = Kit::<1>::new(Options::DEFAULT);
    let first = initial_window(&mut kit, 1);
    assert!(first > 1460, "{first}");
    assert_eq!(initial_window(&mut kit, 2), first);
}
