//! A TAP device against the kernel's own TCP.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream, UdpSocket};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use linecho_devices::tap::{Counters, TapError};
use linecho_devices::testing::echo::{LIMIT, PORT, Stack, echo, ipv4, ipv6, pattern, wall_clock};
use linecho_devices::{Interest, Tap, wait};
use linecho_trials::Stop;
use smoltcp::phy::{Device as _, RxToken as _, TxToken as _};
use smoltcp::time::Instant;
use smoltcp::wire::{IpAddress, UdpPacket};

use crate::ip;

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

/// A client on the kernel's TCP: streams `total` bytes, checks that they all come back,
/// half-closes, and returns how many it got.
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
            // With a timeout set, a read fails so when a stopped process goes on, signal(7).
            let len = match stream.read(&mut buffer) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                len => len.unwrap(),
            };
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
    let mut lost = tap.counters();
    (
        lost.received,
        lost.received_bytes,
        lost.sent,
        lost.sent_bytes,
    ) = (0, 0, 0, 0);
    assert_eq!(lost, Counters::default());
    assert!(tap.error().is_none());
}

pub(crate) fn plain_frames_are_exact() -> Result<(), Stop> {
    plug(1500);
    for address in [ipv4, ipv6] {
        let mut tap = open(false);
        bulk(&mut tap, address, BULK);
        let counters = tap.counters();
        assert!(counters.received_bytes / counters.received <= 1514);
    }
    Ok(())
}

pub(crate) fn offloaded_frames_are_exact_and_long() -> Result<(), Stop> {
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
    Ok(())
}

pub(crate) fn every_mtu_is_exact() -> Result<(), Stop> {
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
    Ok(())
}

pub(crate) fn a_connection_outlives_its_link_going_down() -> Result<(), Stop> {
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
    Ok(())
}

pub(crate) fn a_deleted_interface_ends_the_device() -> Result<(), Stop> {
    plug(1500);
    let mut tap = open(true);
    ip("link delete tap0");
    assert_eq!(wait([Interest::read(&tap)], Some(LIMIT)).unwrap(), [true]);
    assert!(tap.receive(Instant::ZERO).is_none());
    let error = tap.error().expect("the device has ended");
    assert_eq!(error.raw_os_error(), Some(nix::libc::EBADFD));
    tap.transmit(Instant::ZERO)
        .unwrap()
        .consume(60, |frame| frame.fill(0));
    assert_eq!(tap.counters().dropped_other, 1);
    Ok(())
}

pub(crate) fn the_kernel_may_refuse_to_offload() -> Result<(), Stop> {
    plug(1500);
    let mut tap = Tap::open_refused("tap0").unwrap();
    assert!(!tap.is_offloaded());
    bulk(&mut tap, ipv4, 1_000_000);
    Ok(())
}

/// The kernel keeps what was asked of a device that outlives its programs.
pub(crate) fn the_next_program_finds_a_plain_device() -> Result<(), Stop> {
    plug(1500);
    drop(open(true));
    bulk(&mut Tap::open_as_left("tap0").unwrap(), ipv4, 1_000_000);
    Ok(())
}

pub(crate) fn a_device_can_be_created() -> Result<(), Stop> {
    let tap = Tap::open("echo%d").unwrap();
    assert_eq!((tap.name(), tap.mtu()), ("echo0", 1500));
    assert_eq!(Tap::open("echo%d").unwrap().name(), "echo1");
    Ok(())
}

/// One made for QEMU or another program with several queues.
pub(crate) fn a_device_with_several_queues_is_taken_with_one() -> Result<(), Stop> {
    ip("tuntap add dev tap0 mode tap multi_queue");
    ip("link set dev tap0 up");
    ip("addr add 192.168.69.100/24 dev tap0");
    for offload in [true, false] {
        bulk(&mut open(offload), ipv4, 1_000_000);
    }
    Ok(())
}

pub(crate) fn what_the_kernel_refuses_is_explained() -> Result<(), Stop> {
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
    Ok(())
}

/// The kernel leaves UDP checksums to us as well, and smoltcp verifies them.
pub(crate) fn a_datagram_of_the_kernel_is_finished() -> Result<(), Stop> {
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
    Ok(())
}
