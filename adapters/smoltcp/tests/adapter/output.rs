//! Output: how much goes in one turn, and what the peer or the device does not take now, which
//! waits without a busy loop.

use std::time::Duration;

use crate::kit::{BUFFER, CLIENT, Host, Kit, PORT, SERVER, Server, tcp_socket};
use linecho_smoltcp::smoltcp::socket::tcp;
use linecho_smoltcp::{HashedListener, Instant, Options, Wake, egress};

const SECOND: Duration = Duration::from_secs(1);

type Hashed = Kit<2, HashedListener<'static, 2>>;

fn plain() -> Kit<2> {
    Kit::new(Options::DEFAULT)
}

fn hashed() -> Hashed {
    Kit::hashed(Options::DEFAULT, 2)
}

on_both! {
    one_turn_sends_many_segments,
    what_a_session_holds_goes_when_the_peer_reads_again,
    an_acknowledgement_that_the_device_does_not_take_is_no_busy_loop,
}

fn one_turn_sends_many_segments<L: Server>(mut kit: Kit<2, L>) {
    let client = kit.connect();
    kit.echo(client, b"one\n");
    kit.seen.clear();
    kit.send(client, &[b'\n'; 4000]);
    while kit.seen.is_empty() {
        let now = kit.now();
        kit.step(now);
    }
    assert!(kit.seen.len() > 1);
}

/// All has arrived, and nothing more comes that could wake the session.
fn what_a_session_holds_goes_when_the_peer_reads_again<L: Server>(mut kit: Kit<2, L>) {
    let client = kit.connect();
    kit.client[client].reads = false;
    // More than our send buffer and the peer's receive buffer hold, by a line.
    let line = [&[b'x'; 99][..], b"\n"].concat();
    let lines = line.repeat(2 * BUFFER / line.len() + 1);
    kit.send(client, &lines);
    kit.pass(SECOND);
    kit.client[client].reads = true;
    kit.drive("all of it", SECOND, |kit| {
        kit.client[client].received == lines
    });
}

/// Its time comes, and passes.
fn an_acknowledgement_that_the_device_does_not_take_is_no_busy_loop<L: Server>(mut kit: Kit<2, L>) {
    let client = kit.connect();
    kit.echo(client, b"one\n");
    kit.send(client, b"tw");
    kit.pass(Duration::from_millis(1));
    kit.server.device.full = true;
    let before = kit.turns;
    kit.pass(SECOND);
    let turns = kit.turns - before;
    assert!(turns < 1100, "{turns} turns in a second");
    kit.server.device.full = false;
    kit.send(client, b"o\n");
    kit.drive("the echo", SECOND, |kit| {
        kit.client[client].received == b"one\ntwo\n"
    });
}

#[test]
fn egress_that_has_sent_all_there_is_wants_no_other_turn() {
    let Host {
        mut iface,
        mut device,
        mut sockets,
    } = Host::new(CLIENT);
    let handle = sockets.add(tcp_socket(BUFFER));
    let tcp = sockets.get_mut::<tcp::Socket>(handle);
    let context = iface.context();
    tcp.connect(context, (SERVER, PORT), 40_000).unwrap();
    let now = Instant::from_millis(1000);
    let wake = egress(now, &mut iface, &mut device, &mut sockets);
    assert_eq!(device.tx.borrow().len(), 1);
    assert!(matches!(wake, Wake::At(at) if at > now), "{wake:?}");
}
