use super::*;
use smoltcp::phy::{Loopback, RxToken, TxToken};

const NOW: Instant = Instant::from_micros_const(3_000_004);

fn send(device: &mut impl Device, frame: &[u8]) {
    device
        .transmit(NOW)
        .unwrap()
        .consume(frame.len(), |to| to.copy_from_slice(frame));
}

fn receive(device: &mut impl Device) -> Vec<u8> {
    device.receive(NOW).unwrap().0.consume(<[u8]>::to_vec)
}

#[test]
fn writes_both_directions_as_the_format_says() {
    let mut device = Loopback::new(Medium::Ethernet);
    let mut file = Vec::new();
    let mut pcap = Pcap::new(&mut file, Medium::Ethernet);
    send(&mut pcap.around(&mut device), b"abc");
    assert_eq!(receive(&mut pcap.around(&mut device)), b"abc");
    assert_eq!(pcap.frames(), 2);
    assert!(pcap.error().is_none());

    let mut expected = vec![0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    expected.extend([0, 0, 4, 0, 1, 0, 0, 0]);
    let packet = [
        3, 0, 0, 0, 4, 0, 0, 0, 3, 0, 0, 0, 3, 0, 0, 0, b'a', b'b', b'c',
    ];
    expected.extend(packet);
    expected.extend(packet);
    assert_eq!(file, expected);
}

#[test]
fn raw_ip_has_its_own_link_type() {
    let mut file = Vec::new();
    Pcap::new(&mut file, Medium::Ip);
    assert_eq!(file[20..], [101, 0, 0, 0]);
}

#[test]
fn an_empty_frame_is_none() {
    let mut device = Loopback::new(Medium::Ip);
    let mut pcap = Pcap::new(Vec::new(), Medium::Ip);
    send(&mut pcap.around(&mut device), b"");
    assert_eq!(pcap.frames(), 0);
}

#[test]
fn switched_off_it_lets_everything_through() {
    let mut device = Loopback::new(Medium::Ip);
    let mut pcap = Pcap::<Vec<u8>>::off();
    send(&mut pcap.around(&mut device), b"abc");
    assert_eq!(receive(&mut pcap.around(&mut device)), b"abc");
    assert_eq!(pcap.frames(), 0);
}

/// A disk with room for so many bytes.
struct Disk(usize);

impl Write for Disk {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let len = bytes.len().min(self.0);
        self.0 -= len;
        if len == 0 {
            Err(io::ErrorKind::StorageFull.into())
        } else {
            Ok(len)
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_full_disk_stops_the_capture_and_not_the_traffic() {
    for room in 0..24 + 2 * 19 {
        let mut device = Loopback::new(Medium::Ip);
        let mut pcap = Pcap::new(Disk(room), Medium::Ip);
        for _ in 0..3 {
            send(&mut pcap.around(&mut device), b"abc");
            assert_eq!(receive(&mut pcap.around(&mut device)), b"abc");
        }
        pcap.flush();
        assert_eq!(
            pcap.error().unwrap().kind(),
            io::ErrorKind::StorageFull,
            "{room}"
        );
    }
}
