//! The end of a listener: it takes in what has arrived, and then nothing more.

use std::time::Duration;

use crate::kit::Kit;
use crate::kit::raw::Raw;
use crate::lifecycle::with_an_rst_that_cannot_leave;
use linecho_smoltcp::smoltcp::socket::tcp::State;
use linecho_smoltcp::smoltcp::wire::{IpAddress, TcpControl};
use linecho_smoltcp::{Options, Reason};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn shutdown_takes_in_what_has_arrived_and_accepts_no_more() {
    let mut kit = Kit::<3>::new(Options::DEFAULT);
    let (a, b) = (kit.connect(), kit.connect());
    kit.echo(a, b"a\n");
    kit.echo(b, b"b\n");
    let mut half_open = Raw::new(IpAddress::v4(10, 0, 0, 9), 1);
    half_open.syn(&mut kit);
    kit.send(a, b"unfinished");
    kit.half_close(b);
    kit.pass(Duration::from_micros(1));
    kit.listener.shutdown();
    kit.wake_server();
    assert!(!kit.listener.is_drained());
    let late = kit.connect();
    kit.drive("all that had arrived", SECOND, |kit| {
        kit.client[a].received == b"a\nunfinished"
    });
    kit.half_close(a);
    kit.drive("drained", 5 * SECOND, |kit| kit.listener.is_drained());
    assert_eq!(kit.state(late), State::Closed, "refused");
    assert_eq!(
        half_open.take(&kit).last().unwrap().control,
        TcpControl::Rst
    );
    kit.pass(SECOND);
    assert_eq!(kit.server_states(), [State::Closed; 3]);
}

#[test]
fn a_handshake_that_ends_after_shutdown_is_reset() {
    let mut kit = Kit::<1>::new(Options::DEFAULT);
    let client = kit.connect();
    kit.drive("a half-open connection", SECOND, |kit| {
        kit.server_states() == [State::SynReceived]
    });
    kit.listener.shutdown();
    // Its acknowledgement is on the way.
    kit.drive("the reset", SECOND, |kit| kit.is_over(client));
    assert_eq!(
        (kit.state(client), &kit.events[..]),
        (State::Closed, &[][..])
    );
    assert!(kit.listener.is_drained());
}

#[test]
fn shutdown_ends_a_quiet_connection_at_once() {
    let mut kit = Kit::<1>::new(Options::DEFAULT);
    let client = kit.connect();
    kit.echo(client, b"hello\n");
    kit.pass(SECOND);
    kit.listener.shutdown();
    kit.wake_server();
    kit.drive("the FIN", Duration::from_millis(1), |kit| {
        kit.state(client) == State::CloseWait
    });
    assert_eq!(kit.reasons(), [Reason::Shutdown]);
}

#[test]
fn shutdown_is_over_though_an_rst_could_not_leave() {
    let mut kit = with_an_rst_that_cannot_leave();
    kit.listener.shutdown();
    kit.wake_server();
    kit.drive("drained", 2 * SECOND, |kit| kit.listener.is_drained());
    let before = kit.turns;
    kit.pass(SECOND);
    assert!(kit.listener.is_drained(), "and stays so");
    let turns = kit.turns - before;
    assert!(turns < 10, "{turns} turns with nothing to do");
}
