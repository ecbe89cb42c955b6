//! A device without a kernel; `tests/tests/devices` of the workspace tests it with one.

use super::*;
use smoltcp::phy::{Device as _, RxToken as _, TxToken as _};
use smoltcp::time::Instant;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;

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
fn the_mtu_can_be_lowered_and_not_raised() {
    let (mut tap, _kernel) = without_kernel(true);
    let of_device = tap.mtu();
    for (wanted, expected) in [(100_000, of_device), (1300, 1300), (1400, 1300), (5, 576)] {
        tap.lower_mtu(wanted);
        assert_eq!(tap.mtu(), expected);
        assert_eq!(tap.capabilities().max_transmission_unit, 14 + expected);
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
