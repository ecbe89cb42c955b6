//! Each fault in its words.

use super::*;

const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// A connection on which a thousand bytes came back, and six of the next line are under way.
fn tcp() -> TcpInfo {
    TcpInfo {
        send_mss: 1460,
        receive_mss: 1460,
        path_mtu: 1500,
        window_scale: None,
        sack: true,
        timestamps: true,
        ecn: false,
        unacknowledged_segments: 1,
        selectively_acknowledged_segments: 0,
        unacknowledged_bytes: Some(6),
        unsent_bytes: Some(0),
        retransmissions: 4,
        total_retransmissions: 4,
        unanswered_probes: 0,
        peer_window: Some(65_536),
        last_ack_received: secs(3),
        round_trip: Duration::from_millis(1),
        acknowledged_bytes: Some(1000),
        delivered_segments: Some(10),
        received_segments: Some(20),
    }
}

fn silence(tcp: TcpInfo) -> Silence {
    Silence {
        place: Position { line: 2, byte: 1 },
        waited: secs(3),
        returned: 1000,
        half_closed: false,
        tcp: Some(tcp),
        segments_meanwhile: Some(0),
        local_fault: None,
        reported: None,
    }
}

/// Nothing was acknowledged but the handshake, and nothing came back.
fn first(mut silence: Silence) -> Silence {
    silence.returned = 0;
    if let Some(tcp) = &mut silence.tcp {
        (tcp.acknowledged_bytes, tcp.delivered_segments) = (Some(0), Some(1));
    }
    silence
}

#[track_caller]
fn assert_words(silence: &Silence, parts: &[&str]) {
    let text = silence.to_string();
    for part in parts {
        assert!(text.contains(part), "no {part:?} in: {text}");
    }
}

#[test]
fn what_is_lost_on_the_way_is_counted() {
    let facts = "line 2, byte 1: nothing came back for 3s: 6 bytes that we sent are not acknowledged \
                 after 4 retransmissions, and the last acknowledgement came 3s ago: packets are lost";
    assert_words(&silence(tcp()), &[facts]);
    let old_kernel = TcpInfo {
        unacknowledged_bytes: None,
        ..tcp()
    };
    assert_words(
        &silence(old_kernel),
        &["1 segment that we sent is not acknowledged"],
    );
    // As on an interface that is down.
    let unsent = TcpInfo {
        unsent_bytes: Some(6),
        ..all_acknowledged()
    };
    assert_words(&silence(unsent), &["for 3s: 6 bytes could not be sent: "]);
}

#[test]
fn an_idle_connection_may_be_forgotten() {
    let tcp = |secs| TcpInfo {
        last_ack_received: Duration::from_secs(secs),
        ..tcp()
    };
    assert_words(
        &silence(tcp(43)),
        &[
            "Nothing had come for 40s before that: a NAT or a firewall",
            "keep-alive",
        ],
    );
    // A delayed acknowledgement is no idle time.
    assert_words(&silence(tcp(4)), &["packets are lost"]);
}

#[test]
fn one_way_may_be_cut_alone() {
    let silence = Silence {
        segments_meanwhile: Some(2),
        ..silence(tcp())
    };
    assert_words(&silence, &["(2 segments meanwhile)", "the way there alone"]);
    assert_words(
        &first(silence),
        &["takes nothing: its queue of new connections is full"],
    );
}

#[test]
fn a_handshake_alone_may_come_from_something_in_front() {
    assert_words(
        &first(silence(tcp())),
        &["the handshake was answered, and nothing since: something answers in place"],
    );
    let closed = TcpInfo {
        unacknowledged_segments: 0,
        unacknowledged_bytes: Some(0),
        unsent_bytes: Some(6),
        peer_window: Some(0),
        ..tcp()
    };
    assert_words(
        &first(silence(closed)),
        &["closed (0 bytes) with 6 bytes left", "a SYN proxy"],
    );
}

#[test]
fn a_closed_window_is_of_a_server_that_does_not_read_or_is_gone() {
    let closed = |unanswered_probes| TcpInfo {
        unacknowledged_segments: 0,
        unacknowledged_bytes: Some(0),
        unsent_bytes: Some(100),
        peer_window: Some(0),
        unanswered_probes,
        ..tcp()
    };
    let reads_not = "the other end acknowledges, but the server does not read";
    for probes in [0, 1] {
        assert_words(&silence(closed(probes)), &["100 bytes left", reads_not]);
    }
    assert_words(
        &silence(closed(3)),
        &["3 probes of the window got no answer"],
    );
    let old_kernel = TcpInfo {
        peer_window: None,
        ..closed(0)
    };
    assert_words(&silence(old_kernel), &[reads_not]);
}

#[test]
fn full_segments_alone_are_lost_in_a_black_hole() {
    let full = TcpInfo {
        unacknowledged_segments: 10,
        unacknowledged_bytes: Some(14_600),
        ..tcp()
    };
    let hole = "those of 1460 bytes do not: most likely the path has a smaller MTU";
    assert_words(&silence(full.clone()), &[hole]);
    // The last one, which is shorter, came.
    let mut short_last = first(silence(full.clone()));
    if let Some(tcp) = &mut short_last.tcp {
        tcp.selectively_acknowledged_segments = 1;
    }
    assert_words(&short_last, &[hole]);
    assert_words(
        &first(silence(full.clone())),
        &[
            "all segments were of 1460 bytes",
            "If short lines come back",
        ],
    );
    // Full ones came before.
    let stream = TcpInfo {
        acknowledged_bytes: Some(14_000),
        ..full.clone()
    };
    assert_words(&silence(stream), &["packets are lost"]);
    // Every path of IPv6 takes these.
    let small = TcpInfo {
        send_mss: 1220,
        ..full
    };
    assert_words(&silence(small), &["packets are lost"]);
}

#[test]
fn a_fault_that_is_known_is_named_and_nothing_is_guessed() {
    let local = Silence {
        local_fault: Some(LocalFault::NoCarrier("eth0".into())),
        ..silence(tcp())
    };
    assert_words(
        &local,
        &["3s ago: the interface eth0 of this machine has no"],
    );
    let reported = || Some(io::ErrorKind::HostUnreachable.into());
    let silent = Silence {
        reported: reported(),
        ..silence(tcp())
    };
    assert_words(&silent, &["3s ago: the network reports: host unreachable"]);
    for silence in [local, silent] {
        assert!(!silence.to_string().contains("packets are lost"));
    }
    let acknowledged = Silence {
        reported: reported(),
        ..silence(all_acknowledged())
    };
    assert_words(
        &acknowledged,
        &["for 3s: the network reports: host unreach"],
    );
}

fn all_acknowledged() -> TcpInfo {
    TcpInfo {
        unacknowledged_segments: 0,
        unacknowledged_bytes: Some(0),
        ..tcp()
    }
}

#[test]
fn a_server_that_has_everything_is_to_blame() {
    assert_words(
        &silence(all_acknowledged()),
        &["is acknowledged: the other end has it and stopped answering"],
    );
    assert_words(
        &first(silence(all_acknowledged())),
        &["so a TCP at the other end has it, but nothing answers"],
    );
    let half_closed = Silence {
        half_closed: true,
        ..silence(all_acknowledged())
    };
    assert_words(&half_closed, &["the last line has no newline"]);
    let elsewhere = Silence {
        tcp: None,
        ..silence(tcp())
    };
    assert!(elsewhere.to_string().ends_with("nothing came back for 3s"));
}
