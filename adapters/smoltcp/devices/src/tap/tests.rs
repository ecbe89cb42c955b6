//! Our end of the cable against the kernel's own TCP, in a network namespace of the test's own.

mod forwarding;
mod namespace;

use super::*;
use crate::testing::echo::{Client, LIMIT, PORT, Stack, echo, ipv4, ipv6, pattern, wall_clock};
use crate::{Interest, wait};
use namespace::{in_namespace, ip};
use smoltcp::phy::{Device, RxToken as _, TxToken as _};
use smoltcp::wire::{IpAddress, UdpPacket};
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream, UdpSocket};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::thread::{self, JoinHandle};
use std::time::Duration;

const BULK: usize = 10_000_000;

fn open(offload: bool) -> Tap {
    let tap = if offload {
        Tap::open("tap0")
    } else {
        Tap::open_plain("tap0")
    }
    .unwrap();
    assert_eq!(tap.is_offloaded(), offload);
    tap
}

/// Makes a TAP device whose kernel side is host 100.
fn plug(mtu: usize) {
    ip("tuntap add dev tap0 mode tap");
    ip(&format!("link set dev tap0 mtu {mtu} up"));
    ip("addr add 192.168.69.100/24 dev tap0");
    if mtu >= 1280 {
        ip("addr add fdaa::100/64 dev tap0 nodad");
    }
}

/// A client on the kernel's TCP: streams `total` bytes, checks that they all come back, half-closes, and
/// returns how many it got.
fn kernel_client(server: IpAddress, total: usize) -> JoinHandle<usize> {
    thread::spawn(move || {
        let server = SocketAddr::new(server.into(), PORT);
        let mut stream = TcpStream::connect_timeout(&server, LIMIT).unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        stream.set_write_timeout(Some(LIMIT)).unwrap();
        let mut sender = stream.try_clone().unwrap();
        let sender = thread::spawn(move || {
            let bytes: Vec<u8> = (0..total).map(pattern).collect();
            sender.write_all(&bytes).unwrap();
            sender.shutdown(Shutdown::Write).unwrap();
        });
        let (mut received, mut buffer) = (0, vec![0; 64 * 1024]);
        loop {
            let len = stream.read(&mut buffer).unwrap();
            if len == 0 {
                break;
            }
            for (at, byte) in (received..).zip(&buffer[..len]) {
                assert_eq!(*byte, pattern(at), "byte {at}");
            }
            received += len;
        }
        sender.join().unwrap();
        received
    })
}

/// Lets `stack` echo until `client` has ended, and calls `each_turn` as it goes.
fn serve(
    tap: &mut Tap,
    stack: &mut Stack,
    client: JoinHandle<usize>,
    mut each_turn: impl FnMut(&Tap),
) -> usize {
    let now = wall_clock();
    while !client.is_finished() {
        wait([Interest::read(tap)], Some(Duration::from_millis(1))).unwrap();
        stack.turn(now(), tap, echo);
        each_turn(tap);
    }
    client.join().unwrap()
}

/// A bulk transfer in both directions.
fn bulk(tap: &mut Tap, address: fn(u8) -> IpAddress, total: usize) {
    let mut stack = Stack::new(tap, 1, Instant::ZERO);
    stack.socket().listen(PORT).unwrap();
    let client = kernel_client(address(1), total);
    assert_eq!(serve(tap, &mut stack, client, |_| ()), total);
    let lost = Counters {
        received: 0,
        received_bytes: 0,
        sent: 0,
        sent_bytes: 0,
        ..tap.counters()
    };
    assert_eq!(lost, Counters::default());
    assert!(tap.error().is_none());
}

#[test]
fn plain_frames_are_exact() {
    in_namespace(|| {
        plug(1500);
        for address in [ipv4, ipv6] {
            let mut tap = open(false);
            bulk(&mut tap, address, BULK);
            let counters = tap.counters();
            assert!(counters.received_bytes / counters.received <= 1514);
        }
    });
}

#[test]
fn offloaded_frames_are_exact_and_long() {
    in_namespace(|| {
        plug(1500);
        // Acknowledgements included, frames are longer on average than the longest plain one.
        let mut tap = open(true);
        bulk(&mut tap, ipv4, BULK);
        let counters = tap.counters();
        assert!(
            counters.received_bytes / counters.received > 1514,
            "{counters:?}"
        );
        assert!(counters.sent_bytes / counters.sent > 1514, "{counters:?}");
        drop(tap);

        let mut tap = open(true);
        bulk(&mut tap, ipv6, BULK);
        let counters = tap.counters();
        assert!(
            counters.received_bytes / counters.received > 1514,
            "{counters:?}"
        );
    });
}

#[test]
fn every_mtu_is_exact() {
    in_namespace(|| {
        for mtu in [576, 1280, 9000, 65_521] {
            plug(mtu);
            for offload in [true, false] {
                let mut tap = open(offload);
                assert_eq!(tap.mtu(), mtu);
                bulk(&mut tap, ipv4, 1_000_000);
                if mtu >= 1280 {
                    bulk(&mut tap, ipv6, 1_000_000);
                }
            }
            ip("link delete tap0");
        }
    });
}

#[test]
fn a_connection_outlives_its_link_going_down() {
    in_namespace(|| {
        plug(1500);
        for offload in [false, true] {
            let mut tap = open(offload);
            let mut stack = Stack::new(&mut tap, 1, Instant::ZERO);
            stack.socket().listen(PORT).unwrap();
            let client = kernel_client(ipv4(1), BULK);
            let mut state = "up";
            let received = serve(&mut tap, &mut stack, client, |tap| match state {
                "up" if tap.counters().received_bytes > BULK as u64 / 4 => {
                    ip("link set tap0 down");
                    state = "down";
                }
                "down" if tap.counters().dropped_link_down > 0 => {
                    ip("link set tap0 up");
                    state = "up again";
                }
                _ => (),
            });
            assert_eq!(received, BULK);
            assert_eq!(state, "up again");
            assert!(tap.error().is_none());
        }
    });
}

#[test]
fn a_deleted_interface_ends_the_device() {
    in_namespace(|| {
        plug(1500);
        let mut tap = open(true);
        ip("link delete tap0");
        assert_eq!(wait([Interest::read(&tap)], Some(LIMIT)).unwrap(), [true]);
        assert!(tap.receive(Instant::ZERO).is_none());
        let error = tap.error().expect("the device has ended");
        assert_eq!(error.raw_os_error(), Some(libc::EBADFD));
        tap.transmit(Instant::ZERO)
            .unwrap()
            .consume(60, |frame| frame.fill(0));
        assert_eq!(tap.counters().dropped_other, 1);
    });
}

#[test]
fn the_kernel_may_refuse_to_offload() {
    in_namespace(|| {
        plug(1500);
        let no_such_offload = 1 << 31;
        let mut tap = Tap::open_offering("tap0", no_such_offload).unwrap();
        assert!(!tap.is_offloaded());
        bulk(&mut tap, ipv4, 1_000_000);
    });
}

/// The kernel keeps what was asked of a device that outlives its programs.
#[test]
fn the_next_program_finds_a_plain_device() {
    in_namespace(|| {
        plug(1500);
        drop(open(true));
        let (tun, name) = attach("tap0", libc::IFF_TAP | libc::IFF_NO_PI).unwrap();
        bulk(&mut Tap::new(tun, name, false).unwrap(), ipv4, 1_000_000);
    });
}

#[test]
fn a_device_can_be_created() {
    in_namespace(|| {
        let tap = Tap::open("echo%d").unwrap();
        assert_eq!((tap.name(), tap.mtu()), ("echo0", 1500));
        assert_eq!(Tap::open("echo%d").unwrap().name(), "echo1");
    });
}

/// One made for QEMU or another program with several queues.
#[test]
fn a_device_with_several_queues_is_taken_with_one() {
    in_namespace(|| {
        ip("tuntap add dev tap0 mode tap multi_queue");
        ip("link set dev tap0 up");
        ip("addr add 192.168.69.100/24 dev tap0");
        for offload in [true, false] {
            bulk(&mut open(offload), ipv4, 1_000_000);
        }
    });
}

#[test]
fn what_the_kernel_refuses_is_explained() {
    in_namespace(|| {
        plug(1500);
        let first = open(true);
        let error = Tap::open("tap0").unwrap_err();
        assert!(matches!(error, TapError::Busy { .. }), "{error:?}");
        assert!(error.to_string().contains("iff:.*tap0"), "{error}");
        drop(first);

        let error = Tap::open("lo").unwrap_err();
        assert!(matches!(error, TapError::NotTap { .. }), "{error:?}");
        assert!(
            error.to_string().contains("ip -d link show dev lo"),
            "{error}"
        );

        ip("link set dev tap0 mtu 500");
        let error = Tap::open("tap0").unwrap_err();
        assert!(
            matches!(error, TapError::BadMtu { mtu: 500, .. }),
            "{error:?}"
        );
        assert!(
            error.to_string().contains("ip link set dev tap0 mtu 1500"),
            "{error}"
        );
    });
}

#[test]
fn errors_say_what_mends_them() {
    let errno = io::Error::from_raw_os_error;
    let cases = [
        (
            Tap::open("a-name-that-is-too-long").unwrap_err(),
            "1 to 15 bytes",
        ),
        (
            TapError::opening_driver(errno(libc::ENOENT)),
            "sudo modprobe tun",
        ),
        (
            TapError::opening_driver(errno(libc::ENODEV)),
            "sudo modprobe tun",
        ),
        (
            TapError::opening_driver(errno(libc::EACCES)),
            "sudo chmod 666 /dev/net/tun",
        ),
        (
            TapError::opening_driver(errno(libc::EMFILE)),
            "Too many open files",
        ),
        (
            TapError::attaching("tap7", errno(libc::EPERM)),
            "sudo ip tuntap add dev tap7 mode tap user $USER",
        ),
        (
            TapError::attaching("tap7", errno(libc::ENOMEM)),
            "cannot attach to tap7",
        ),
    ];
    for (error, mends) in cases {
        let text = error.to_string();
        assert!(text.contains(mends), "{text}");
    }
}

/// The kernel leaves UDP checksums to us as well, and smoltcp verifies them.
#[test]
fn a_datagram_of_the_kernel_is_finished() {
    in_namespace(|| {
        plug(1500);
        ip("neigh add 192.168.69.1 lladdr 02:00:00:00:00:01 dev tap0");
        let mut tap = open(true);
        let socket = UdpSocket::bind("192.168.69.100:0").unwrap();
        let now = wall_clock();
        loop {
            // Again, since the kernel drops what comes before it has noticed that the cable is plugged.
            socket.send_to(b"hello", "192.168.69.1:9").unwrap();
            wait([Interest::read(&tap)], Some(Duration::from_millis(10))).unwrap();
            let frame = tap.receive(now()).map(|(rx, _)| rx.consume(<[u8]>::to_vec));
            let Some(datagram) = frame.filter(|frame| frame.ends_with(b"hello")) else {
                continue;
            };
            let udp = UdpPacket::new_checked(&datagram[34..]).unwrap();
            assert!(udp.verify_checksum(&ipv4(100), &ipv4(1)));
            break;
        }
    });
}

/// A device whose kernel is a socket of ours, which takes frames whole as a TAP device does.
fn without_kernel(offloaded: bool) -> (Tap, UnixDatagram) {
    let (near, far) = UnixDatagram::pair().unwrap();
    near.set_nonblocking(true).unwrap();
    far.set_nonblocking(true).unwrap();
    let tun = File::from(OwnedFd::from(near));
    (
        Tap::new(tun, Name::new("lo").unwrap(), offloaded).unwrap(),
        far,
    )
}

#[test]
fn a_frame_without_room_is_dropped_and_counted() {
    for offloaded in [false, true] {
        let (mut tap, kernel) = without_kernel(offloaded);
        while tap.counters().dropped_full == 0 {
            tap.transmit(Instant::ZERO)
                .unwrap()
                .consume(60, |frame| frame.fill(7));
        }
        let mut frame = [0; 100];
        let mut arrived = 0;
        while let Ok(len) = kernel.recv(&mut frame) {
            assert_eq!(len, if offloaded { 70 } else { 60 });
            assert_eq!(frame[len - 60..len], [7; 60]);
            arrived += 1;
        }
        assert_eq!(tap.counters().sent, arrived);
        assert_eq!(tap.counters().sent_bytes, 60 * arrived);
        drop(kernel);
        tap.transmit(Instant::ZERO)
            .unwrap()
            .consume(60, |frame| frame.fill(7));
        assert_eq!(tap.counters().dropped_other, 1);
    }
}

#[test]
fn a_dropped_frame_does_not_end_the_turn() {
    let (mut tap, kernel) = without_kernel(true);
    let whole = [&[0; Header::LEN][..], &[7; 60]].concat();
    for frame in [&whole[..5], &whole] {
        kernel.send(frame).unwrap();
    }
    let mut receive = || {
        tap.receive(Instant::ZERO)
            .map(|(rx, _)| rx.consume(<[u8]>::to_vec))
    };
    assert_eq!(receive(), Some(vec![]));
    assert_eq!(receive(), Some(vec![7; 60]));
    assert_eq!(receive(), None);
    let expected = Counters {
        received: 1,
        received_bytes: 60,
        received_corrupt: 1,
        ..Counters::default()
    };
    assert_eq!(tap.counters(), expected);
}

/// Part of a segment cannot be verified, and smoltcp does not verify the whole.
#[test]
fn a_fragment_of_a_segment_is_dropped_and_counted() {
    let (mut tap, kernel) = without_kernel(true);
    let mut frame = vec![0; Header::LEN + 14];
    frame[Header::LEN + 12] = 8;
    let mut packet = [0; 60];
    (packet[0], packet[3], packet[6], packet[9]) = (0x45, 60, 0x20, 6);
    frame.extend(packet);
    kernel.send(&frame).unwrap();
    let (rx, _) = tap.receive(Instant::ZERO).unwrap();
    assert_eq!(rx.consume(<[u8]>::len), 0);
    assert_eq!(tap.counters().received_fragments, 1);
}

/// Frames with a priority and no VLAN, as Windows and industrial devices send them.
#[test]
fn a_frame_of_vlan_0_is_taken_without_its_tag() {
    let addresses: Vec<u8> = (1..=12).collect();
    // A datagram whose checksum the kernel has not filled in, behind the tag.
    let mut untagged = [&addresses[..], &[8, 0, 0x45, 0, 0, 28]].concat();
    untagged.resize(14 + 28, 0);
    untagged[14 + 9] = 17;
    let tagged = [&addresses[..], &[0x81, 0, 0xe0, 0], &untagged[12..]].concat();
    let (needs_checksum, start, field) = (1, 18 + 20, 6);
    let header = [needs_checksum, 0, 0, 0, 0, 0, start, 0, field, 0];
    untagged[14 + 20 + 6..][..2].fill(0xff);
    for offloaded in [false, true] {
        let (mut tap, kernel) = without_kernel(offloaded);
        let header = if offloaded { &header[..] } else { &[] };
        kernel.send(&[header, &tagged].concat()).unwrap();
        let (rx, _) = tap.receive(Instant::ZERO).unwrap();
        let mut frame = rx.consume(<[u8]>::to_vec);
        if !offloaded {
            frame[14 + 20 + 6..][..2].fill(0xff);
        }
        assert_eq!(frame, untagged);
        assert_eq!(tap.counters().received_bytes, untagged.len() as u64);
    }
}

#[test]
fn in_a_batch_frames_wait_for_each_other() {
    for (len, wait_at_most) in [(60, 63), (9_000, 7), (MAX_FRAME_LEN, 1)] {
        let (mut tap, kernel) = without_kernel(true);
        let mut room = vec![0; Header::LEN + MAX_FRAME_LEN];
        let mut arrived = 0;
        let mut receive = || {
            while let Ok(read) = kernel.recv(&mut room) {
                assert_eq!(room[read - len..read], vec![arrived as u8; len]);
                arrived += 1;
            }
            arrived
        };
        let mut waited = 0;
        tap.batch(|tap| {
            for number in 0..200 {
                tap.transmit(Instant::ZERO)
                    .unwrap()
                    .consume(len, |frame| frame.fill(number as u8));
                waited = waited.max(number + 1 - receive());
            }
        });
        assert_eq!((waited, receive()), (wait_at_most, 200));
        assert_eq!(tap.counters().sent, 200);

        // After it, none waits.
        tap.transmit(Instant::ZERO)
            .unwrap()
            .consume(len, |frame| frame.fill(200));
        assert_eq!(receive(), 201);
    }
}
