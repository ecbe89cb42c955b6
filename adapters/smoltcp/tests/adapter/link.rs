//! Links that take nothing, carry nothing, or bring too much.

use std::time::Duration;

use crate::kit::Kit;
use linecho_smoltcp::Options;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_device_that_takes_nothing_is_no_busy_loop() {
    let mut kit = Kit::<1>::new(Options::DEFAULT);
    let client = kit.connect();
    kit.echo(client, b"one\n");
    kit.server.device.full = true;
    kit.send(client, b"two\n");
    let before = kit.turns;
    kit.pass(SECOND);
    assert!(
        kit.turns - before < 1100,
        "{} turns in a second",
        kit.turns - before
    );
    kit.server.device.full = false;
    kit.drive("the echo", 3 * SECOND, |kit| {
        kit.client[client].received == b"one\ntwo\n"
    });
}

#[test]
fn a_link_may_go_down_and_come_up() {
    let mut kit = Kit::<2>::new(Options::DEFAULT);
    let client = kit.connect();
    kit.echo(client, b"before\n");
    kit.server.device.down = true;
    kit.clients.device.down = true;
    kit.send(client, b"during\n");
    kit.pass(30 * SECOND);
    kit.server.device.down = false;
    kit.clients.device.down = false;
    kit.drive("the echo", 40 * SECOND, |kit| {
        kit.client[client].received == b"before\nduring\n"
    });
    kit.finish(client);
}

#[test]
fn a_flood_of_frames_starves_no_session() {
    let mut kit = Kit::<1>::new(Options::DEFAULT);
    let client = kit.connect();
    kit.echo(client, b"one\n");
    kit.send(client, b"two\n");
    kit.pass(Duration::from_micros(1));
    for _ in 0..100_000 {
        kit.server.device.rx.borrow_mut().push_back(vec![0x45; 40]);
    }
    for _ in 0..10 {
        let now = kit.now();
        kit.step(now);
    }
    assert_eq!(kit.client[client].received, b"one\ntwo\n");
    assert!(kit.server.device.rx.borrow().len() > 90_000);
}
