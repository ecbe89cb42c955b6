//! Fewer line buffers than slots: sessions wait for one without losing anything, and none starves.

use std::time::Duration;

use crate::kit::{Kit, LINE};
use linecho_smoltcp::smoltcp::socket::tcp::State;
use linecho_smoltcp::{Config, HashedListener, LongLines, Options, Reason};

const SECOND: Duration = Duration::from_secs(1);

type OneLine = Kit<1, HashedListener<'static, 1>>;

#[test]
fn idle_sessions_hold_no_line_buffer() {
    let mut kit = Kit::<4>::with_lines(Options::DEFAULT, 1);
    let clients: [usize; 4] = core::array::from_fn(|_| kit.connect());
    for round in 0..10 {
        for &client in &clients {
            kit.echo(client, format!("{round} {client}\n").as_bytes());
        }
    }
}

#[test]
fn a_session_waits_for_a_line_buffer_and_loses_nothing() {
    let mut kit = Kit::<3>::with_lines(Options::DEFAULT, 1);
    let (holder, waiting) = (kit.connect(), kit.connect());
    kit.send(holder, b"half a line");
    kit.pass(SECOND);
    kit.send(waiting, b"one\ntwo\nrest");
    kit.half_close(waiting);
    kit.pass(5 * SECOND);
    assert_eq!(kit.client[waiting].received, b"");
    kit.send(holder, b", and its end\n");
    kit.drive("both", SECOND, |kit| {
        kit.client[waiting].received == b"one\ntwo\nrest"
            && kit.client[holder].received == b"half a line, and its end\n"
    });
}

#[test]
fn the_buffer_goes_to_slots_of_any_number() {
    for first_waits in [true, false] {
        let mut kit = Kit::<2>::with_lines(Options::DEFAULT, 1);
        let clients = [kit.connect(), kit.connect()];
        kit.echo(clients[0], b"\n");
        kit.echo(clients[1], b"\n");
        let waiting = clients[usize::from(!first_waits)];
        let holder = clients[usize::from(first_waits)];
        kit.send(holder, b"half a line");
        kit.pass(SECOND);
        kit.send(waiting, b"one\n");
        kit.pass(SECOND);
        kit.reset(holder);
        kit.drive("one", Duration::from_millis(10), |kit| {
            kit.client[waiting].received == b"\none\n"
        });
    }
}

#[test]
fn more_than_the_socket_holds_may_wait() {
    let mut kit = Kit::<2>::with_lines(Options::DEFAULT, 1);
    let (holder, waiting) = (kit.connect(), kit.connect());
    kit.send(holder, b"half a line");
    kit.pass(SECOND);
    let lines = b"a line of twenty bytes\n".repeat(1000);
    kit.send(waiting, &lines);
    kit.pass(5 * SECOND);
    assert!(
        !kit.client[waiting].to_send.is_empty(),
        "TCP slows the peer down"
    );
    kit.send(holder, b"\n");
    kit.drive("all of it", 60 * SECOND, |kit| {
        kit.client[waiting].received == lines
    });
}

/// A connection that holds the one line buffer, and an older one, idle for 6 of 10 seconds.
fn held() -> (Kit<2>, usize, usize) {
    let session = Config::new().idle_timeout(Some(10 * SECOND));
    let mut kit = Kit::<2>::with_lines(session.into(), 1);
    let waiting = kit.connect();
    kit.echo(waiting, b"old\n");
    kit.pass(5 * SECOND);
    let holder = kit.connect();
    kit.send(holder, b"half a line");
    kit.pass(SECOND);
    (kit, holder, waiting)
}

#[test]
fn a_holder_that_never_finishes_its_line_keeps_others_waiting_until_it_is_idle() {
    let (mut kit, holder, waiting) = held();
    // Long before the holder's deadline is this one's; but the delay is not its fault.
    kit.send(waiting, b"new\n");
    kit.drive("new", 11 * SECOND, |kit| {
        kit.client[waiting].received == b"old\nnew\n"
    });
    assert_eq!(kit.reasons(), [Reason::Idle]);
    assert_eq!(kit.state(holder), State::Closed);
}

#[test]
fn a_session_that_gets_a_line_buffer_after_its_deadline_goes_on_with_an_unfinished_line() {
    let (mut kit, holder, waiting) = held();
    kit.send(waiting, b"ne");
    // Until the holder is idle.
    kit.pass(10 * SECOND);
    assert_eq!(kit.reasons(), [Reason::Idle]);
    assert_eq!(kit.state(holder), State::Closed);
    kit.send(waiting, b"w\n");
    kit.drive("new", SECOND, |kit| {
        kit.client[waiting].received == b"old\nnew\n"
    });
    // The deadline holds again.
    kit.send(waiting, b"unfinished");
    kit.pass(9 * SECOND);
    assert_eq!(kit.state(waiting), State::Established);
    kit.drive("the end", 2 * SECOND, |kit| {
        kit.state(waiting) == State::Closed
    });
}

#[test]
fn a_peer_that_streams_hands_its_line_buffer_on() {
    let mut kit = Kit::<3>::with_lines(Options::DEFAULT, 1);
    let (streaming, other, third) = (kit.connect(), kit.connect(), kit.connect());
    // Lines that never end where a segment or the line buffer does.
    let lines = [&[b'x'; LINE / 2 + 7][..], b"\n"].concat().repeat(5000);
    kit.send(streaming, &lines);
    kit.drive("the stream runs", SECOND, |kit| {
        kit.client[streaming].received.len() > 10_000
    });
    kit.send(other, b"other\n");
    kit.send(third, b"third\n");
    kit.drive("the others", SECOND, |kit| {
        kit.client[other].received == b"other\n" && kit.client[third].received == b"third\n"
    });
    let so_far = kit.client[streaming].received.len();
    assert!(so_far < lines.len(), "the stream goes on: {so_far} bytes");
    kit.drive("the rest", 60 * SECOND, |kit| {
        kit.client[streaming].received == lines
    });
}

#[test]
fn a_reset_ends_the_wait_for_a_line_buffer() {
    let mut kit = Kit::<2>::with_lines(Options::DEFAULT, 1);
    let (holder, waiting) = (kit.connect(), kit.connect());
    kit.send(holder, b"half a line");
    kit.pass(SECOND);
    kit.send(waiting, b"never\n");
    kit.pass(SECOND);
    kit.reset(waiting);
    kit.drive("the slot is free", SECOND, |kit| {
        kit.server_states() == [State::Established, State::Listen]
    });
    assert_eq!(kit.reasons(), [Reason::Reset]);
}

#[test]
fn shutdown_waits_for_the_line_buffer() {
    let mut kit = Kit::<2>::with_lines(Options::DEFAULT, 1);
    let (holder, waiting) = (kit.connect(), kit.connect());
    kit.send(holder, b"half a line");
    kit.pass(SECOND);
    kit.send(waiting, b"one\nrest");
    kit.pass(SECOND);
    kit.listener.shutdown();
    kit.wake_server();
    kit.drive("both", SECOND, |kit| {
        kit.client[holder].received == b"half a line"
            && kit.client[waiting].received == b"one\nrest"
    });
    assert_eq!(kit.reasons(), [Reason::Shutdown; 2]);
}

#[test]
fn one_line_buffer_serves_many_sessions() {
    let mut kit = OneLine::hashed(Options::DEFAULT, 50);
    let clients: Vec<usize> = (0..50).map(|_| kit.connect()).collect();
    // Lines that never end where a segment or the line buffer does.
    let lines = [&[b'x'; LINE / 2 + 7][..], b"\n"].concat().repeat(300);
    for &client in &clients {
        kit.send(client, &lines);
    }
    kit.drive("all of it", 600 * SECOND, |kit| {
        clients
            .iter()
            .all(|&client| kit.client[client].received == lines)
    });
}

#[test]
fn a_session_that_waits_for_the_line_buffer_comes_before_others() {
    let mut kit = OneLine::hashed(Options::DEFAULT, 10);
    let clients: Vec<usize> = (0..10).map(|_| kit.connect()).collect();
    let lines = [&[b'x'; LINE / 2 + 7][..], b"\n"].concat().repeat(2_000);
    for &client in &clients[..9] {
        kit.send(client, &lines);
    }
    kit.drive("all streams run", SECOND, |kit| {
        clients[..9]
            .iter()
            .all(|&client| kit.client[client].received.len() > 1000)
    });
    kit.send(clients[9], b"other\n");
    kit.drive("the other", SECOND, |kit| {
        kit.client[clients[9]].received == b"other\n"
    });
    let streamed: usize = clients[..9]
        .iter()
        .map(|&client| kit.client[client].received.len())
        .sum();
    assert!(streamed < lines.len(), "the streams go on");
}

#[test]
fn a_session_that_stopped_for_others_after_a_line_goes_on_though_no_frame_comes() {
    // Without keep-alive probes.
    let options = Options {
        keep_alive: None,
        ..Config::new().long_lines(LongLines::Discard).into()
    };
    let mut kit = OneLine::hashed(options, 3);
    let [holder, dropped, other] = core::array::from_fn(|_| kit.connect());
    kit.send(dropped, &[b'x'; LINE + 1]);
    kit.pass(SECOND);
    kit.send(holder, b"half a line");
    kit.pass(SECOND);
    // Both wait for the line buffer. The rest of the dropped line brings no echo, and so no
    // acknowledgement of one.
    let after = [&[b'y'; 100][..], b"\n"].concat();
    kit.send(dropped, &[&[b'x'; 200][..], b"\n", &after].concat());
    kit.pass(SECOND);
    kit.send(other, b"other\n");
    kit.pass(SECOND);
    kit.send(holder, b"\n");
    kit.drive("the line after it", SECOND, |kit| {
        kit.client[dropped].received == after
    });
}
