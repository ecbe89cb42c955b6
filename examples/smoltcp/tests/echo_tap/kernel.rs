//! Clients of the kernel's TCP: those of `peer.py`, in the namespace of an `echo-tap`.

use std::env;

use crate::kit::{can_make_namespaces, in_namespace, text};

/// Plays a part of `peer.py`, and returns what `echo-tap` has said in the end.
fn play(options: &[&str], part: &str, number: Option<u32>) -> String {
    if !can_make_namespaces() {
        return String::new();
    }
    let peer = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/echo_tap/peer.py");
    let number = number.map(|number| number.to_string());
    let command = ["python3", peer, part].into_iter().chain(number.as_deref());
    let output = in_namespace(options, &command.collect::<Vec<_>>());
    let stderr = text(&output.stderr);
    assert!(
        output.status.success(),
        "{part}: {}\n{stderr}",
        output.status
    );
    stderr
}

#[test]
fn ping_and_nc_are_answered() {
    play(&["--quiet"], "answers", None);
}

#[test]
fn sixteen_clients_stream_ten_megabytes_each() {
    play(&["--quiet"], "streams", Some(10_000_000));
}

#[test]
fn sixteen_clients_stream_on_a_link_that_loses_one_packet_in_twenty() {
    let full = env::var_os("LINECHO_FULL").is_some_and(|value| value == "1");
    let size = if full { 10_000_000 } else { 200_000 };
    play(&["--quiet"], "streams_with_loss", Some(size));
}

#[test]
fn clients_that_read_late_get_everything() {
    play(&["--quiet"], "reads_late", Some(48));
}

#[test]
fn connections_outlive_a_link_that_goes_down() {
    let said = play(&[], "link_down_and_up", None);
    assert!(
        said.is_empty() || said.contains("dropped: link down"),
        "{said}"
    );
}

#[test]
fn four_slots_serve_after_eleven_thousand_connections_of_which_each_tenth_resets() {
    play(&["--quiet", "--slots=4"], "slots_come_back", Some(11_000));
}

#[test]
fn an_honest_client_is_served_after_a_flood_of_syns() {
    play(&["--quiet", "--slots=4"], "syn_flood", Some(10_000));
}
