//! What a listener tells of its connections.

use std::time::Duration;

use crate::kit::raw::Raw;
use crate::kit::{Kit, Server};
use linecho_smoltcp::smoltcp::wire::IpAddress;
use linecho_smoltcp::{HashedListener, Options};

const SECOND: Duration = Duration::from_secs(1);

type Hashed = Kit<3, HashedListener<'static, 3>>;

fn plain() -> Kit<3> {
    Kit::new(Options::DEFAULT)
}

fn hashed() -> Hashed {
    Kit::hashed(Options::DEFAULT, 3)
}

on_both! {
    sessions_are_fewer_than_busy_slots,
    it_is_drained_once_no_connection_is_left_after_shutdown,
    events_speak_in_words,
}

fn sessions_are_fewer_than_busy_slots<L: Server>(mut kit: Kit<3, L>) {
    assert_eq!((kit.listener.sessions(), kit.listener.busy()), (0, 0));
    for sessions in 1..3 {
        let client = kit.connect();
        kit.echo(client, b"line\n");
        assert_eq!(kit.listener.sessions(), sessions);
    }
    Raw::new(IpAddress::v4(10, 0, 0, 9), 1).syn(&mut kit);
    kit.pass(Duration::from_millis(1));
    assert_eq!((kit.listener.sessions(), kit.listener.busy()), (2, 3));
}

fn it_is_drained_once_no_connection_is_left_after_shutdown<L: Server>(mut kit: Kit<3, L>) {
    let client = kit.connect();
    kit.echo(client, b"line\n");
    assert!(!kit.listener.is_drained());
    kit.reset(client);
    kit.pass(SECOND);
    assert_eq!(kit.listener.busy(), 0);
    assert!(!kit.listener.is_drained(), "it accepts more");
    kit.reconnect(client);
    kit.echo(client, b"line\n");
    kit.listener.shutdown();
    assert!(!kit.listener.is_drained(), "a connection is left");
    kit.wake_server();
    kit.half_close(client);
    kit.drive("the end", 10 * SECOND, |kit| kit.listener.is_drained());
}

fn events_speak_in_words<L: Server>(mut kit: Kit<3, L>) {
    let client = kit.connect();
    kit.echo(client, b"line\n");
    kit.reset(client);
    kit.pass(SECOND);
    let texts: Vec<String> = kit.events.iter().map(ToString::to_string).collect();
    assert_eq!(
        texts,
        [
            "0: 10.0.0.2:40001 opened",
            "0: 10.0.0.2:40001 closed: reset, 1 lines, 5 bytes in, 5 bytes out",
        ]
    );
}
