//! A capture of the frames that go through a device, in the file format that Wireshark and tcpdump read.
//!
//! The format is that of
//! [draft-ietf-opsawg-pcap](https://datatracker.ietf.org/doc/draft-ietf-opsawg-pcap/): little-endian,
//! with microseconds.
//!
//! ```
//! use linecho_devices::Pcap;
//! use smoltcp::phy::{Device, Loopback, Medium, TxToken};
//! use smoltcp::time::Instant;
//!
//! let mut device = Loopback::new(Medium::Ip);
//! let mut file = Vec::new();
//! let mut pcap = Pcap::new(&mut file, Medium::Ip);
//! pcap.around(&mut device).transmit(Instant::ZERO).unwrap().consume(4, |frame| frame.fill(7));
//! assert!(pcap.error().is_none());
//! assert_eq!(file.len(), 24 + 16 + 4);
//! ```

use std::cell::RefCell;
use std::io::{self, Write};

use smoltcp::phy::{self, Device, DeviceCapabilities, Medium, PacketMeta};
use smoltcp::time::Instant;

const MAGIC: u32 = 0xa1b2_c3d4;
const VERSION: [u16; 2] = [2, 4];
/// Longest frame that is captured whole, in bytes: what tcpdump and Wireshark take by default.
const SNAP_LEN: usize = 262_144;
const LINKTYPE_ETHERNET: u32 = 1;
const LINKTYPE_RAW: u32 = 101;

/// A capture, written to a file, a pipe or whatever else implements [`Write`].
///
/// It is laid [around](Self::around) a device for as long as a poll of the stack takes, so that one
/// capture can show several devices, and the program keeps the device itself.
///
/// A capture never ends the traffic, though a writer that blocks holds it up. When writing fails, the
/// first error is kept, and the capture ends there. Each frame is two writes: a file wants a [`BufWriter`](std::io::BufWriter) around it, and
/// [`flush`](Self::flush) before the program sleeps.
///
/// Where a device leaves checksums and segmentation to others, as an offloaded
/// `Tap` does, the frames are shown as the stack sees them: longer than the MTU, and
/// with TCP checksums that are not filled in.
#[derive(Debug)]
pub struct Pcap<W> {
    /// A token to receive and one to send write to it at the same time.
    capture: RefCell<Capture<W>>,
}

#[derive(Debug)]
struct Capture<W> {
    /// `None`: there is nothing to write to (any more).
    writer: Option<W>,
    frames: u64,
    error: Option<io::Error>,
}

impl<W: Write> Pcap<W> {
    /// Starts a capture of frames of `medium`, and writes the header of the file.
    pub fn new(writer: W, medium: Medium) -> Self {
        let link_type = match medium {
            Medium::Ethernet => LINKTYPE_ETHERNET,
            Medium::Ip => LINKTYPE_RAW,
            #[allow(
                unreachable_patterns,
                reason = "others exist with other features of smoltcp"
            )]
            _ => LINKTYPE_RAW,
        };
        let mut header = [0; 24];
        header[..4].copy_from_slice(&MAGIC.to_le_bytes());
        header[4..6].copy_from_slice(&VERSION[0].to_le_bytes());
        header[6..8].copy_from_slice(&VERSION[1].to_le_bytes());
        header[16..20].copy_from_slice(&(SNAP_LEN as u32).to_le_bytes());
        header[20..].copy_from_slice(&link_type.to_le_bytes());

        let mut capture = Capture {
            writer: Some(writer),
            frames: 0,
            error: None,
        };
        capture.write(|writer| writer.write_all(&header));
        Self {
            capture: RefCell::new(capture),
        }
    }

    /// A capture that captures nothing, for a program that was not asked for one.
    #[must_use]
    pub const fn off() -> Self {
        Self {
            capture: RefCell::new(Capture {
                writer: None,
                frames: 0,
                error: None,
            }),
        }
    }

    /// `device` with the capture around it.
    pub fn around<'a, D: Device>(&'a mut self, device: &'a mut D) -> Captured<'a, D, W> {
        let is_on = self.capture.get_mut().writer.is_some();
        Captured {
            device,
            capture: is_on.then_some(&self.capture),
        }
    }

    /// How many frames were captured.
    pub fn frames(&mut self) -> u64 {
        self.capture.get_mut().frames
    }

    /// The error that has ended the capture.
    pub fn error(&mut self) -> Option<&io::Error> {
        self.capture.get_mut().error.as_ref()
    }

    /// Writes out what the writer holds back.
    pub fn flush(&mut self) {
        self.capture.get_mut().write(Write::flush);
    }
}

impl<W: Write> Capture<W> {
    /// The stream is of no use any more after part of a frame was lost.
    fn write(&mut self, write: impl FnOnce(&mut W) -> io::Result<()>) {
        if let Some(writer) = &mut self.writer
            && let Err(error) = write(writer)
        {
            self.error = Some(error);
            self.writer = None;
        }
    }

    fn record(&mut self, now: Instant, frame: &[u8]) {
        // A device hands over an empty frame in place of one that it has dropped.
        if self.writer.is_none() || frame.is_empty() {
            return;
        }
        let captured = &frame[..frame.len().min(SNAP_LEN)];
        let micros = now.total_micros().max(0);
        let fields = [
            micros / 1_000_000,
            micros % 1_000_000,
            captured.len() as i64,
            frame.len() as i64,
        ];
        let mut header = [0; 16];
        for (to, field) in header.chunks_exact_mut(4).zip(fields) {
            // Seconds since 1970 fit until 2106.
            to.copy_from_slice(&(field as u32).to_le_bytes());
        }
        self.frames += 1;
        self.write(|writer| {
            writer.write_all(&header)?;
            writer.write_all(captured)
        });
    }
}

/// A device with a capture around it.
#[derive(Debug)]
pub struct Captured<'d, D, W> {
    device: &'d mut D,
    /// `None`: frames pass without a look.
    capture: Option<&'d RefCell<Capture<W>>>,
}

impl<D: Device, W: Write> Device for Captured<'_, D, W> {
    type RxToken<'a>
        = Token<'a, D::RxToken<'a>, W>
    where
        Self: 'a;
    type TxToken<'a>
        = Token<'a, D::TxToken<'a>, W>
    where
        Self: 'a;

    fn receive(&mut self, now: Instant) -> Option<(Self::RxToken<'_>, Self::TxToken<'_>)> {
        let capture = self.capture;
        let (rx, tx) = self.device.receive(now)?;
        Some((
            Token {
                token: rx,
                capture,
                now,
            },
            Token {
                token: tx,
                capture,
                now,
            },
        ))
    }

    fn transmit(&mut self, now: Instant) -> Option<Self::TxToken<'_>> {
        let capture = self.capture;
        let token = self.device.transmit(now)?;
        Some(Token {
            token,
            capture,
            now,
        })
    }

    fn capabilities(&self) -> DeviceCapabilities {
        self.device.capabilities()
    }
}

/// A token of the device, with the capture beside it.
pub struct Token<'a, T, W> {
    token: T,
    capture: Option<&'a RefCell<Capture<W>>>,
    now: Instant,
}

impl<T: phy::RxToken, W: Write> phy::RxToken for Token<'_, T, W> {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        let Self {
            token,
            capture,
            now,
        } = self;
        token.consume(|frame| {
            record(capture, now, frame);
            f(frame)
        })
    }

    fn meta(&self) -> PacketMeta {
        self.token.meta()
    }
}

impl<T: phy::TxToken, W: Write> phy::TxToken for Token<'_, T, W> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let Self {
            token,
            capture,
            now,
        } = self;
        token.consume(len, |frame| {
            let result = f(frame);
            record(capture, now, frame);
            result
        })
    }

    fn set_meta(&mut self, meta: PacketMeta) {
        self.token.set_meta(meta);
    }
}

/// The capture is borrowed for no longer than a write takes, so that it is always free here, unless
/// the writer itself sends frames through the device.
fn record<W: Write>(capture: Option<&RefCell<Capture<W>>>, now: Instant, frame: &[u8]) {
    if let Some(capture) = capture
        && let Ok(mut capture) = capture.try_borrow_mut()
    {
        capture.record(now, frame);
    }
}

#[cfg(test)]
mod tests {
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
}
