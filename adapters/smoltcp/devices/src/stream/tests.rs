use super::queue::MAX_FRAME_LEN;
use super::*;
use crate::testing::Host;
use crate::testing::echo::{Client, PORT, Stack, echo, ipv4, wall_clock};
use smoltcp::phy::{RxToken as _, TxToken as _};
use smoltcp::time::Duration;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

const NOW: Instant = Instant::ZERO;

fn pair() -> (FramedStream, UnixStream) {
    let (near, far) = UnixStream::pair().unwrap();
    (FramedStream::new(near, 1500).unwrap(), far)
}

fn receive(device: &mut FramedStream) -> Option<Vec<u8>> {
    device
        .receive(NOW)
        .map(|(rx, _)| rx.consume(<[u8]>::to_vec))
}

fn send(device: &mut FramedStream, frame: &[u8]) -> bool {
    let token = device.transmit(NOW);
    token
        .map(|token| token.consume(frame.len(), |to| to.copy_from_slice(frame)))
        .is_some()
}

fn encode(frame: &[u8]) -> Vec<u8> {
    [&(frame.len() as u32).to_be_bytes(), frame].concat()
}

/// A frame that tells its number in its length and in each byte.
fn frame(number: usize) -> Vec<u8> {
    vec![number as u8; 1 + number * 37 % 1514]
}

#[test]
fn frames_arrive_however_they_are_chopped() {
    let (mut device, mut peer) = pair();
    let frames: Vec<_> = (0..20).map(frame).collect();
    let bytes: Vec<u8> = frames.iter().flat_map(|frame| encode(frame)).collect();
    let mut arrived = Vec::new();
    for byte in bytes.chunks(1) {
        peer.write_all(byte).unwrap();
        arrived.extend(receive(&mut device));
    }
    assert_eq!(arrived, frames);

    peer.write_all(&bytes).unwrap();
    let arrived: Vec<_> = std::iter::from_fn(|| receive(&mut device)).collect();
    assert_eq!(arrived, frames);
    assert_eq!(device.counters().received, 40);
    assert!(device.error().is_none());
}

#[test]
fn the_longest_frame_fits() {
    let (mut device, mut peer) = pair();
    let long = vec![7; MAX_FRAME_LEN];
    let bytes = [encode(b"first"), encode(&long), encode(b"last")].concat();
    let writer = thread::spawn(move || peer.write_all(&bytes).map(|()| peer));
    let mut arrived = Vec::new();
    while arrived.len() < 3 {
        assert!(device.error().is_none());
        arrived.extend(receive(&mut device));
    }
    assert_eq!(arrived, [b"first".to_vec(), long, b"last".to_vec()]);
    writer.join().unwrap().unwrap();
}

#[test]
fn any_stream_carries_frames() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let mut peer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (stream, _) = listener.accept().unwrap();
    stream.set_nonblocking(true).unwrap();
    let mut device = FramedStream::over(stream, 1500).unwrap();
    peer.write_all(&encode(b"a frame")).unwrap();
    let frame = loop {
        assert!(device.error().is_none());
        if let Some((rx, tx)) = device.receive(NOW) {
            tx.consume(9, |answer| answer.copy_from_slice(b"an answer"));
            break rx.consume(<[u8]>::to_vec);
        }
    };
    assert_eq!(frame, b"a frame");
    let mut answer = [0; 13];
    peer.read_exact(&mut answer).unwrap();
    assert_eq!(answer, *encode(b"an answer"));
}

#[test]
fn a_slow_peer_gets_every_frame_whole() {
    let (mut device, mut peer) = pair();
    let (mut sent, mut bytes) = (0, Vec::new());
    let mut chunk = vec![0; 1009];
    let mut was_full = false;
    while sent < 2_000 {
        if send(&mut device, &frame(sent)) {
            sent += 1;
        } else {
            was_full = true;
            assert!(device.is_blocked());
            let len = peer.read(&mut chunk).unwrap();
            bytes.extend_from_slice(&chunk[..len]);
        }
    }
    assert!(was_full, "the test must fill the socket");
    let expected: Vec<u8> = (0..sent)
        .flat_map(|number| encode(&frame(number)))
        .collect();
    while bytes.len() < expected.len() {
        device.transmit(NOW);
        let len = peer.read(&mut chunk).unwrap();
        bytes.extend_from_slice(&chunk[..len]);
    }
    assert!(bytes == expected);
    assert!(!device.is_blocked());
    assert_eq!(device.counters().sent, 2_000);
    assert_eq!(device.counters().dropped_full, 0);
}

#[test]
fn an_answer_without_room_is_dropped_and_counted() {
    let (mut device, mut peer) = pair();
    let mut sent = 0;
    while send(&mut device, &frame(sent)) {
        sent += 1;
    }
    let mut expected: Vec<u8> = (0..sent)
        .flat_map(|number| encode(&frame(number)))
        .collect();
    for _ in 0..3 {
        peer.write_all(&encode(b"question")).unwrap();
        let (rx, tx) = device.receive(NOW).unwrap();
        assert_eq!(rx.consume(<[u8]>::to_vec), b"question");
        tx.consume(1514, |frame| frame.fill(1));
    }
    let answered = 3 - device.counters().dropped_full;
    assert!(answered < 3);
    for _ in 0..answered {
        expected.extend(encode(&[1; 1514]));
    }
    let mut bytes = vec![0; expected.len()];
    let reader = thread::spawn(move || peer.read_exact(&mut bytes).map(|()| bytes));
    while device.is_blocked() {
        device.transmit(NOW);
    }
    assert!(reader.join().unwrap().unwrap() == expected);
}

#[test]
fn a_length_that_cannot_be_ends_the_stream() {
    let (mut device, mut peer) = pair();
    peer.write_all(&[encode(b"good"), b"GET / HTTP/1.1".to_vec()].concat())
        .unwrap();
    assert_eq!(receive(&mut device).unwrap(), b"good");
    assert!(receive(&mut device).is_none());
    let error = device.error().unwrap();
    assert!(
        matches!(error, StreamError::FrameTooLong { len: 0x4745_5420 }),
        "{error}"
    );
    assert!(error.to_string().contains("1195725856 bytes"), "{error}");
    assert!(send(&mut device, b"into the void"));
    assert_eq!(device.counters().dropped_ended, 1);
}

#[test]
fn the_end_comes_after_the_last_frame() {
    let (mut device, mut peer) = pair();
    peer.write_all(&[encode(b"a"), encode(b"b"), vec![0, 0]].concat())
        .unwrap();
    drop(peer);
    assert_eq!(receive(&mut device).unwrap(), b"a");
    assert_eq!(receive(&mut device).unwrap(), b"b");
    assert!(device.error().is_none());
    assert!(receive(&mut device).is_none());
    assert!(matches!(device.error(), Some(StreamError::Closed)));
    assert!(!device.is_blocked());
}

#[test]
fn writing_to_a_peer_that_is_gone_ends_the_stream() {
    let (mut device, peer) = pair();
    drop(peer);
    assert!(send(&mut device, b"x"));
    assert!(matches!(device.error(), Some(StreamError::Closed)));
}

#[test]
fn errors_say_what_mends_them() {
    let path = "/nonexistent/passt.socket";
    let error = FramedStream::connect(path, 1500).unwrap_err().to_string();
    assert!(
        error.contains(path) && error.contains("No such file"),
        "{error}"
    );
    assert!(error.contains("passt --foreground --socket"), "{error}");
    let error = FramedStream::new(UnixStream::pair().unwrap().0, 99)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("99") && error.contains("576 to 65535"),
        "{error}"
    );
}

#[test]
fn two_stacks_talk_over_a_socket_pair() {
    let (near, far) = UnixStream::pair().unwrap();
    let mut near = FramedStream::new(near, 1500).unwrap();
    let mut far = FramedStream::new(far, 1500).unwrap();
    let now = wall_clock();
    let mut client = Stack::new(&mut near, 1, now());
    let mut server = Stack::new(&mut far, 2, now());
    server.socket().listen(PORT).unwrap();
    client.connect(ipv4(2));
    let mut check = Client::new(2_000_000);
    while !check.is_done() {
        client.turn(now(), &mut near, |socket| check.play(socket));
        server.turn(now(), &mut far, echo);
    }
    assert!(near.error().is_none() && far.error().is_none());
}

/// Two stacks, the ends of the link between them, and the time for both.
struct Pair {
    client: (Stack, FramedStream),
    server: (Stack, FramedStream),
    now: Instant,
}

impl Pair {
    /// Lets everything come to rest, delayed acknowledgements included.
    fn settle(&mut self) {
        for _ in 0..10 {
            self.now += Duration::from_millis(20);
            for (stack, device) in [&mut self.client, &mut self.server] {
                stack.turn(self.now, device, |_| ());
            }
        }
    }

    fn client_sends(&mut self, bytes: &[u8]) {
        let (client, device) = &mut self.client;
        client.socket().send_slice(bytes).unwrap();
        client.turn(self.now, device, |_| ());
    }
}

/// smoltcp takes no acknowledgement from beyond its window, and the end of that can move back.
#[test]
fn a_peer_that_has_filled_the_window_is_heard() {
    let (near, far) = UnixStream::pair().unwrap();
    let [client, server] = [(near, 1), (far, 2)].map(|(stream, host)| {
        let mut device = FramedStream::new(stream, 1500).unwrap();
        (Stack::new(&mut device, host, NOW), device)
    });
    let now = NOW;
    let mut pair = Pair {
        client,
        server,
        now,
    };
    pair.server.0.socket().listen(PORT).unwrap();
    pair.client.0.connect(ipv4(2));
    pair.client.0.socket().set_nagle_enabled(false);
    pair.settle();
    pair.client_sends(&[0; 2]);
    pair.settle();

    // The first frame is answered when others are under way that fill the window as it was before.
    pair.client_sends(&[0; 1]);
    pair.client_sends(&[0; 65_535]);
    pair.now += Duration::from_millis(20);
    let (Stack { host, .. }, device) = &mut pair.server;
    let Host { iface, sockets } = host;
    iface.poll_ingress_single(pair.now, device, sockets);
    pair.now += Duration::from_millis(20);
    iface.poll_egress(pair.now, device, sockets);
    pair.settle();
    assert!(pair.server.0.socket().recv_queue() > 64_000);

    pair.server.0.socket().send_slice(b"x").unwrap();
    pair.settle();
    assert_eq!(pair.client.0.socket().recv_queue(), 1);
    assert_eq!(pair.server.0.socket().send_queue(), 0);
}
