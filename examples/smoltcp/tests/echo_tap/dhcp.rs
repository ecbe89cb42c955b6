//! Servers of DHCP with faults that real ones have.

use linecho_trials::{Stop, Trial, trials};

use crate::kit::{can_make_namespaces, in_namespace, text};

pub(crate) fn trials() -> Vec<Trial> {
    trials![
        it_asks_as_soon_as_the_link_comes_up,
        of_two_routers_the_first_is_the_gateway,
        without_a_mask_the_class_gives_one,
        options_in_the_file_field_are_read,
        a_refusal_of_another_server_is_nothing,
        refusals_without_end_are_no_storm,
        a_lease_of_no_time_is_no_storm,
        what_a_renewal_leaves_out_stays,
        an_address_that_was_given_stays_when_its_lease_goes,
        a_gateway_that_was_given_stays,
        two_instances_differ_in_their_hardware_addresses,
    ]
}

/// Lets a server with this fault run for some seconds: the messages that it got, what it printed
/// before, and the log.
fn serve(fault: &str, options: &[&str], seconds: u32) -> Result<(u32, String, String), Stop> {
    can_make_namespaces()?;
    let server = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/echo_tap/dhcp.py");
    let options = [&["--dhcp", "--verbose"], options].concat();
    let output = in_namespace(&options, &["python3", server, fault, &seconds.to_string()]);
    let (stdout, log) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{log}");
    let (printed, messages) = stdout
        .trim_end()
        .rsplit_once('\n')
        .unwrap_or(("", stdout.trim()));
    let messages = messages
        .strip_suffix(" messages")
        .and_then(|it| it.parse().ok());
    let messages = messages.expect("it says how many");
    Ok((messages, printed.into(), log))
}

#[track_caller]
fn assert_log(log: &str, part: &str) {
    assert!(log.contains(part), "no {part:?} in: {log}");
}

fn it_asks_as_soon_as_the_link_comes_up() -> Result<(), Stop> {
    let (_, printed, log) = serve("late_link", &[], 4)?;
    let seconds: f64 = printed.parse().expect("the time until it asked");
    // A second, and one for a machine that is busy. It would be eight if the waits had grown.
    assert!(seconds < 2.0, "{seconds}: {log}");
    assert_log(&log, "address=192.168.69.9/24");
    Ok(())
}

fn of_two_routers_the_first_is_the_gateway() -> Result<(), Stop> {
    let (_, _, log) = serve("two_routers", &[], 4)?;
    assert_log(&log, "address=192.168.69.9/24 gateway=192.168.69.3");
    Ok(())
}

fn without_a_mask_the_class_gives_one() -> Result<(), Stop> {
    let (_, _, log) = serve("no_mask", &[], 4)?;
    assert_log(
        &log,
        "took that of the address's class server=192.168.69.100 prefix=24",
    );
    assert_log(&log, "address=192.168.69.9/24 gateway=none");
    Ok(())
}

fn options_in_the_file_field_are_read() -> Result<(), Stop> {
    let (_, _, log) = serve("options_in_the_file_field", &[], 4)?;
    assert_log(&log, "address=192.168.69.9/24 gateway=192.168.69.3");
    Ok(())
}

fn a_refusal_of_another_server_is_nothing() -> Result<(), Stop> {
    let (messages, echo, log) = serve("refused_by_another", &[], 5)?;
    assert_log(&log, "got an address by DHCP");
    assert!(!log.contains("refused the address"), "{log}");
    assert_eq!((messages, echo.as_str()), (2, "echo"));
    Ok(())
}

fn refusals_without_end_are_no_storm() -> Result<(), Stop> {
    let (messages, _, log) = serve("always_refused", &[], 12)?;
    assert_log(
        &log,
        "the DHCP server refused the address server=192.168.69.100",
    );
    assert!((4..=8).contains(&messages), "{messages}: {log}");
    Ok(())
}

fn a_lease_of_no_time_is_no_storm() -> Result<(), Stop> {
    let (messages, _, log) = serve("no_time", &[], 12)?;
    assert_log(
        &log,
        "lease is too short: took it for 10 s server=192.168.69.100 seconds=0",
    );
    assert!((3..=6).contains(&messages), "{messages}: {log}");
    Ok(())
}

fn what_a_renewal_leaves_out_stays() -> Result<(), Stop> {
    let (messages, _, log) = serve("bare_renewal", &[], 12)?;
    assert!(messages >= 3, "{messages}: {log}");
    assert_eq!(log.matches("an address by DHCP").count(), 1, "{log}");
    assert_log(&log, "address=192.168.69.9/24 gateway=192.168.69.3");
    assert!(!log.contains("lost"), "{log}");
    Ok(())
}

fn an_address_that_was_given_stays_when_its_lease_goes() -> Result<(), Stop> {
    let (_, echo, log) = serve("one_short_lease", &["--ip", "192.168.69.9/24"], 14)?;
    assert_log(&log, "lost the address from DHCP address=192.168.69.9/24");
    assert_eq!(echo, "echo");
    Ok(())
}

fn a_gateway_that_was_given_stays() -> Result<(), Stop> {
    // The lease has another router. The peer is in another network.
    let (_, echo, log) = serve("far_peer", &["--gateway", "192.168.69.100"], 5)?;
    assert_log(&log, "address=192.168.69.9/24 gateway=192.168.69.3");
    assert_eq!(echo, "pong and echo");
    Ok(())
}

fn two_instances_differ_in_their_hardware_addresses() -> Result<(), Stop> {
    can_make_namespaces()?;
    let show = "ping -c 1 -W 1 192.168.69.9 >/dev/null; ip neigh show dev tap0";
    let server = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/echo_tap/dhcp.py");
    let script = format!("python3 {server} none 4 >/dev/null; {show}");
    let seen = |options: &[&str]| {
        let options = [&["--quiet", "--dhcp"], options].concat();
        let output = in_namespace(&options, &["sh", "-c", &script]);
        let neighbours = text(&output.stdout);
        let (_, mac) = neighbours
            .split_once("192.168.69.9 lladdr ")
            .expect("it is there");
        mac.split_whitespace()
            .next()
            .expect("it is there")
            .to_owned()
    };
    let (one, other) = (seen(&[]), seen(&[]));
    assert_ne!(one, other);
    assert!(
        one.starts_with("02:") && other.starts_with("02:"),
        "{one} {other}"
    );
    assert_eq!(seen(&["--mac", "02:00:00:00:00:0a"]), "02:00:00:00:00:0a");
    Ok(())
}
