//! A capture of the frames that go through a device, in the file format that Wireshark and tcpdump
//! read.
//!
//! The format is that of
//! [draft-ietf-opsawg-pcap](https://datatracker.ietf.org/doc/draft-ietf-opsawg-pcap/):
//! little-endian, with microseconds.
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

mod background;
mod device;
#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::io::{self, Write};

use smoltcp::phy::{Device, Medium};
use smoltcp::time::Instant;

pub use background::Background;
pub use device::{Captured, Token};

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
/// A capture never ends the traffic. When writing fails, the first error is kept, and the capture
/// ends there. A writer that blocks holds the traffic up, though: [`Background`] writes to files
/// and pipes without that. A frame that the writer does not take now
/// ([`WouldBlock`](io::ErrorKind::WouldBlock)) is dropped and counted.
///
/// Each frame is one write. [`flush`](Self::flush) before the program sleeps.
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
    /// A frame with the header before it.
    record: Vec<u8>,
    frames: u64,
    dropped: u64,
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
            ..Capture::OFF
        };
        capture.write(|writer| writer.write_all(&header));
        Self {
            capture: RefCell::new(capture),
        }
    }

    /// Makes a capture that captures nothing, for a program that was not asked for one.
    #[must_use]
    pub const fn off() -> Self {
        Self {
            capture: RefCell::new(Capture::OFF),
        }
    }

    /// Lays the capture around `device`.
    pub fn around<'a, D: Device>(&'a mut self, device: &'a mut D) -> Captured<'a, D, W> {
        let is_on = self.capture.get_mut().writer.is_some();
        Captured {
            device,
            capture: is_on.then_some(&self.capture),
        }
    }

    /// Returns the number of frames that were captured.
    pub fn frames(&mut self) -> u64 {
        self.capture.get_mut().frames
    }

    /// Returns the number of frames that the writer had no room for.
    pub fn dropped(&mut self) -> u64 {
        self.capture.get_mut().dropped
    }

    /// Returns the error that has ended the capture.
    pub fn error(&mut self) -> Option<&io::Error> {
        self.capture.get_mut().error.as_ref()
    }

    /// Writes out what the writer holds back.
    pub fn flush(&mut self) {
        self.capture.get_mut().write(Write::flush);
    }

    /// Takes the writer out, if no error has ended the capture, and is off from then on.
    pub fn take_writer(&mut self) -> Option<W> {
        self.capture.get_mut().writer.take()
    }
}

impl<W> Capture<W> {
    const OFF: Self = Self {
        writer: None,
        record: Vec::new(),
        frames: 0,
        dropped: 0,
        error: None,
    };
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
        let Some(writer) = self.writer.as_mut().filter(|_| !frame.is_empty()) else {
            return;
        };
        let captured = &frame[..frame.len().min(SNAP_LEN)];
        let micros = now.total_micros().max(0);
        let fields = [
            micros / 1_000_000,
            micros % 1_000_000,
            captured.len() as i64,
            frame.len() as i64,
        ];
        self.record.clear();
        for field in fields {
            // Seconds since 1970 fit until 2106.
            self.record.extend((field as u32).to_le_bytes());
        }
        self.record.extend_from_slice(captured);
        let first = loop {
            match writer.write(&self.record) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => break result,
            }
        };
        let written = match first {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.dropped += 1;
                return;
            }
            // What the writer has begun it must take whole.
            Ok(len) if len > 0 => writer.write_all(&self.record[len..]),
            Ok(_) => Err(io::ErrorKind::WriteZero.into()),
            Err(error) => Err(error),
        };
        match written {
            Ok(()) => self.frames += 1,
            Err(error) => {
                self.error = Some(error);
                self.writer = None;
            }
        }
    }
}
