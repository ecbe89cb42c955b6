//! Clients of the kernel's TCP: those of `peer.py`, in the namespace of an `echo-tap`.

use std::env;

use linecho_trials::{Stop, Trial, trials};

use crate::kit::{can_make_namespaces, in_namespace, text};

pub(crate) fn trials() -> Vec<Trial> {
    trials![
        ping_and_nc_are_answered,
        sixteen_clients_stream_ten_megabytes_each,
        sixteen_clients_stream_on_a_link_that_loses_one_packet_in_twenty,
        clients_that_read_late_get_everything,
        connections_outlive_a_link_that_goes_down,
        four_slots_serve_after_eleven_thousand_connections_of_which_each_tenth_resets,
        an_honest_client_is_served_after_a_flood_of_syns,
        hosts_on_a_bridge_do_not_starve_each_other,
        a_bridge_that_snoops_lets_ipv6_through,
        a_host_that_gives_its_frames_a_priority_is_served,
    ]
}

/// Plays a part of `peer.py`, and returns what `echo-tap` has said in the end.
fn play(options: &[&str], part: &str, number: Option<u32>) -> Result<String, Stop> {
    can_make_namespaces()?;
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
    Ok(stderr)
}

fn ping_and_nc_are_answered() -> Result<(), Stop> {
    play(&["--quiet"], "answers", None)?;
    Ok(())
}

fn sixteen_clients_stream_ten_megabytes_each() -> Result<(), Stop> {
    play(&["--quiet"], "streams", Some(10_000_000))?;
    Ok(())
}

fn sixteen_clients_stream_on_a_link_that_loses_one_packet_in_twenty() -> Result<(), Stop> {
    let full = env::var_os("LINECHO_FULL").is_some_and(|value| value == "1");
    let size = if full { 10_000_000 } else { 200_000 };
    play(&["--quiet"], "streams_with_loss", Some(size))?;
    Ok(())
}

fn clients_that_read_late_get_everything() -> Result<(), Stop> {
    play(&["--quiet"], "reads_late", Some(48))?;
    Ok(())
}

fn connections_outlive_a_link_that_goes_down() -> Result<(), Stop> {
    let said = play(&[], "link_down_and_up", None)?;
    assert!(said.contains("dropped: link down"), "{said}");
    Ok(())
}

fn four_slots_serve_after_eleven_thousand_connections_of_which_each_tenth_resets()
-> Result<(), Stop> {
    play(&["--quiet", "--slots=4"], "slots_come_back", Some(11_000))?;
    Ok(())
}

fn an_honest_client_is_served_after_a_flood_of_syns() -> Result<(), Stop> {
    play(&["--quiet", "--slots=4"], "syn_flood", Some(10_000))?;
    Ok(())
}

/// 24 hosts send a line every 20 ms, beside SYNs from addresses that nobody has.
fn hosts_on_a_bridge_do_not_starve_each_other() -> Result<(), Stop> {
    play_behind_tap(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/echo_tap/hosts.py"
    ))
}

/// With a querier, a bridge that snoops passes neighbour solicitations on to those alone who have
/// reported their group.
fn a_bridge_that_snoops_lets_ipv6_through() -> Result<(), Stop> {
    play_behind_tap(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/echo_tap/snooping.py"
    ))
}

/// Its frames have a VLAN tag, with the number 0.
fn a_host_that_gives_its_frames_a_priority_is_served() -> Result<(), Stop> {
    play_behind_tap(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/echo_tap/priority.py"
    ))
}

/// Runs a script with the kernel's side of the TAP device of an `echo-tap`.
fn play_behind_tap(script: &str) -> Result<(), Stop> {
    can_make_namespaces()?;
    // Without the folder __pycache__ in the sources.
    let output = in_namespace(&["--quiet"], &["python3", "-B", script, "tap0"]);
    let stderr = text(&output.stderr);
    assert!(output.status.success(), "{}\n{stderr}", output.status);
    Ok(())
}
