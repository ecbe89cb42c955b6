//! Faults of the way between client and server, after a connection has worked.

use std::thread;
use std::time::Duration;

use linecho_trials::Stop;
use linecho_trials::process::Running;

use crate::client::Client;
use crate::network::{Network, run_here};

/// Enough for some retransmissions, the first of which comes after 0.2 s.
const TIMEOUT: &str = "--timeout=3s";

/// A client on which a line came back.
fn connected() -> Result<(Network, Running, Client), Stop> {
    let network = Network::new()?;
    let (server, address) = network.serve()?;
    let mut client = Client::start(address, &[TIMEOUT])?;
    client.echo(b"one\n");
    Ok((network, server, client))
}

pub(crate) fn an_interface_that_is_switched_off() -> Result<(), Stop> {
    let (_network, _server, mut client) = connected()?;
    run_here("ip link set c0 down");
    client.send(b"two\n");
    client.assert_fails(&[
        "line 2, byte 1: nothing came back for 3s: 4 bytes could not be sent: the interface c0 of \
         this machine is switched off\n",
    ]);
    Ok(())
}

pub(crate) fn a_link_without_a_carrier() -> Result<(), Stop> {
    let (network, _server, mut client) = connected()?;
    network.router.run("ip link set c1 down");
    client.send(b"two\n");
    client.assert_fails(&[
        "4 bytes that we sent are not acknowledged",
        "ago: the interface c0 of this machine has no carrier: its link is down\n",
    ]);
    Ok(())
}

pub(crate) fn an_address_that_is_taken_away() -> Result<(), Stop> {
    let (_network, _server, mut client) = connected()?;
    run_here("ip addr del 10.0.1.2/24 dev c0");
    client.send(b"two\n");
    client.assert_fails(&["this machine no longer has the address 10.0.1.2 of the connection\n"]);
    Ok(())
}

pub(crate) fn a_host_that_went_down_behind_a_router() -> Result<(), Stop> {
    let network = Network::new()?;
    let (_server, address) = network.serve()?;
    // The router asks for the hardware address three times, a second apart, before it gives up.
    let mut client = Client::start(address, &["--timeout=8s"])?;
    client.echo(b"one\n");
    network.server.run("ip link set s0 down");
    network.router.run("ip neigh flush dev s1");
    client.send(b"two\n");
    client.assert_fails(&[
        "line 2, byte 1: nothing came back for 8s: 4 bytes",
        "ago: the network reports: No route to host",
    ]);
    Ok(())
}

/// What the server had under way is sent again and again, and comes.
/// The kernel can tell only if the server had sent what was not acknowledged when the filter came:
/// it sends that again. Mostly it had, in the middle of a stream.
pub(crate) fn a_filter_of_what_is_sent() -> Result<(), Stop> {
    const ATTEMPTS: usize = 8;
    let network = Network::new()?;
    let (_server, address) = network.serve()?;
    let mut said = Vec::new();
    for _ in 0..ATTEMPTS {
        let mut client = Client::start(address, &[TIMEOUT])?;
        client.echo(b"one\n");
        client.stream();
        network.filter("-A FORWARD -i c1 -j DROP")?;
        let text = client.fails();
        let words = [
            "what the other end sends still arrives (",
            "the way there alone is cut, by a filter or a route\n",
        ];
        if words.iter().all(|part| text.contains(part)) {
            return Ok(());
        }
        assert!(text.contains("a filter drops them"), "{text}");
        said.push(text);
        network.filter("-D FORWARD -i c1 -j DROP")?;
    }
    panic!("it was never told: {said:#?}");
}

pub(crate) fn a_filter_of_what_comes_back() -> Result<(), Stop> {
    let (network, _server, mut client) = connected()?;
    client.stream();
    network.filter("-A FORWARD -o c1 -j DROP")?;
    client.assert_fails(&[
        "bytes that we sent are not acknowledged after ",
        "ago: packets are lost on the way there, on the way back, or on both",
    ]);
    Ok(())
}

/// As home routers do, only earlier.
pub(crate) fn a_nat_that_has_forgotten() -> Result<(), Stop> {
    let network = Network::new()?;
    network.filter(
        "-t nat -A POSTROUTING -o s1 -j MASQUERADE
         -A FORWARD -m conntrack --ctstate INVALID -j DROP",
    )?;
    // It takes no connection that it has not seen begin.
    network.router.run(
        "echo 0 >/proc/sys/net/netfilter/nf_conntrack_tcp_loose
         echo 2 >/proc/sys/net/netfilter/nf_conntrack_tcp_timeout_established",
    );
    let (_server, address) = network.serve()?;
    let mut client = Client::start(address, &[TIMEOUT])?;
    client.echo(b"one\n");
    // As long as it takes to be called idle.
    thread::sleep(Duration::from_secs(6));
    client.send(b"two\n");
    client.assert_fails(&[
        "4 bytes that we sent are not acknowledged after ",
        "s before that: a NAT or a firewall on the way has forgotten the connection",
    ]);

    // Probes keep it open.
    let mut client = Client::start(address, &[TIMEOUT, "--keep-alive=1s"])?;
    client.echo(b"one\n");
    thread::sleep(Duration::from_secs(6));
    client.echo(b"two\n");
    Ok(())
}

/// Behind the router, the way to the server takes less than both ends do, and what the router says
/// of it is dropped.
fn black_hole(network: &Network) -> Result<(), Stop> {
    network.router.run("ip link set s1 mtu 1400");
    network.filter("-A OUTPUT -p icmp -j DROP")
}

pub(crate) fn an_mtu_black_hole_after_short_lines() -> Result<(), Stop> {
    let (network, _server, mut client) = connected()?;
    black_hole(&network)?;
    client.echo(b"still two\n");
    client.send(&[&[b'x'; 9999][..], b"\n"].concat());
    client.assert_fails(&[
        "line 3, byte 1: nothing came back for 3s: ",
        "smaller segments got through, those of 1448 bytes do not: most likely the path has a",
    ]);
    Ok(())
}

pub(crate) fn an_mtu_black_hole_from_the_start() -> Result<(), Stop> {
    let network = Network::new()?;
    black_hole(&network)?;
    let (_server, address) = network.serve()?;
    let mut client = Client::start(address, &[TIMEOUT])?;
    client.send(&[&[b'x'; 1448 * 10 - 1][..], b"\n"].concat());
    client.assert_fails(&[
        "line 1, byte 1: nothing came back for 3s: 14480 bytes that we sent are not acknowledged",
        "nothing since, but all segments were of 1448 bytes. If short lines come back, the path has",
    ]);
    Ok(())
}
