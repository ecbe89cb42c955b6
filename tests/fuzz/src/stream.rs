//! Bytes into the framed stream device, from a peer that may also be slow to read.

use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;

use arbitrary::Unstructured;
use linecho_devices::stream::{FramedStream, Passt};
use linecho_smoltcp::smoltcp::phy::{Device, RxToken, TxToken};
use linecho_smoltcp::smoltcp::time::Instant;

/// The longest frame that a peer may send, in bytes: header, VLAN tag, and the longest IP packet.
const LONGEST_FRAME: usize = 14 + 4 + 65_535;
const MTU: usize = 1500;

/// Sends the bytes that `input` names into a device, in pieces, while it sends frames itself.
pub fn framed_stream(input: &[u8]) {
    // It cannot fail: the input only ends.
    let _ = play(&mut Unstructured::new(input));
}

fn play(input: &mut Unstructured<'_>) -> arbitrary::Result<()> {
    let shape: u8 = input.arbitrary()?;
    let (ours, peer) = UnixStream::pair().expect("a socket pair");
    peer.set_nonblocking(true)
        .expect("a socket that blocks not");
    let device = FramedStream::new(ours, MTU).expect("a device");
    let peer = Peer {
        stream: Some(peer),
        written: vec![],
        frames: 0,
        read: vec![],
        sent: 0,
    };
    if shape & 1 == 0 {
        run(device, |it| it, peer, input, true)
    } else {
        // Acknowledgements may be replaced, and with them their checksums.
        run(Passt::new(device), Passt::stream, peer, input, false)
    }
}

/// The other end of the stream.
struct Peer {
    stream: Option<UnixStream>,
    /// All that was sent to the device.
    written: Vec<u8>,
    /// Frames that the device has handed over.
    frames: u64,
    /// All that the device has sent.
    read: Vec<u8>,
    /// Frames that the device was given.
    sent: u64,
}

fn run<D: Device>(
    mut device: D,
    stream: impl Fn(&D) -> &FramedStream,
    mut peer: Peer,
    input: &mut Unstructured<'_>,
    exact: bool,
) -> arbitrary::Result<()> {
    // At most so many calls: each is a system call or two.
    for _ in 0..64 {
        if input.is_empty() {
            break;
        }
        let step: u8 = input.arbitrary()?;
        let size = usize::from(step >> 3);
        match step & 7 {
            0 => {
                let bytes = input.bytes((8 * size + 1).min(input.len()))?;
                peer.write(bytes);
            }
            // A frame with its length.
            1 | 2 => {
                let bytes = input.bytes((8 * size + 14).min(input.len()))?;
                let length = bytes.len() as u32;
                peer.write(&[&length.to_be_bytes(), bytes].concat());
            }
            3 => {
                let answer = (size % 2 == 1).then_some(size * 4);
                peer.take(&mut device, &stream, answer, exact);
            }
            4 | 5 => {
                let fill: u8 = input.arbitrary()?;
                if let Some(tx) = device.transmit(Instant::ZERO) {
                    tx.consume(14 + 2 * size, |frame| frame.fill(fill));
                    peer.sent += 1;
                }
            }
            6 => peer.read(),
            _ if size == 0 => peer.stream = None,
            _ => peer.take(&mut device, &stream, None, exact),
        }
    }
    // What is left comes, then the peer closes.
    for _ in 0..1000 {
        let before = peer.frames;
        peer.take(&mut device, &stream, None, exact);
        if peer.frames == before {
            break;
        }
    }
    let is_whole = peer.whole_frames();
    if stream(&device).error().is_none() {
        peer.read();
        assert_eq!(peer.frames, is_whole, "a frame is missing");
        peer.check_what_was_read(stream(&device));
    }
    peer.stream = None;
    assert!(device.receive(Instant::ZERO).is_none());
    assert!(stream(&device).error().is_some(), "the end goes unnoticed");
    assert!(!stream(&device).is_blocked());
    Ok(())
}

impl Peer {
    fn write(&mut self, bytes: &[u8]) {
        let Some(stream) = &mut self.stream else {
            return;
        };
        match stream.write(bytes) {
            Ok(n) => self.written.extend_from_slice(&bytes[..n]),
            Err(error) => assert!(is_of_a_socket(error.kind()), "{error}"),
        }
    }

    fn read(&mut self) {
        let Some(stream) = &mut self.stream else {
            return;
        };
        let mut bytes = [0; 4096];
        loop {
            match stream.read(&mut bytes) {
                Ok(0) => return,
                Ok(n) => self.read.extend_from_slice(&bytes[..n]),
                Err(error) => {
                    assert!(is_of_a_socket(error.kind()), "{error}");
                    return;
                }
            }
        }
    }

    /// Takes a frame from the device, and may answer it.
    fn take<D: Device>(
        &mut self,
        device: &mut D,
        stream: &impl Fn(&D) -> &FramedStream,
        answer: Option<usize>,
        exact: bool,
    ) {
        let Some((rx, tx)) = device.receive(Instant::ZERO) else {
            return;
        };
        let frame = rx.consume(<[u8]>::to_vec);
        if let Some(len) = answer {
            tx.consume(14 + len, |frame| frame.fill(b'a'));
            self.sent += 1;
        } else {
            drop(tx);
        }
        self.frames += 1;
        assert_eq!(stream(device).counters().received, self.frames);
        let expected = self.frame(self.frames - 1);
        let expected = expected.expect("a frame that was not sent whole");
        // A priority tag is taken off.
        let stripped = expected.len() == frame.len() + 4;
        if exact && !stripped {
            assert_eq!(frame, expected);
        } else {
            assert!(stripped || frame.len() == expected.len());
        }
    }

    /// Returns a frame that was sent, by its number.
    fn frame(&self, number: u64) -> Option<&[u8]> {
        frames(&self.written).nth(number as usize)
    }

    fn whole_frames(&self) -> u64 {
        frames(&self.written).count() as u64
    }

    /// Each frame that the device took came whole, unless it was counted as dropped.
    fn check_what_was_read(&self, stream: &FramedStream) {
        let counters = stream.counters();
        let dropped = counters.dropped_full + counters.dropped_ended;
        assert_eq!(counters.sent + dropped, self.sent);
        if !stream.is_blocked() && self.stream.is_some() {
            assert_eq!(frames(&self.read).count() as u64, counters.sent);
            assert_eq!(
                self.read.len() as u64,
                counters.sent_bytes + 4 * counters.sent
            );
        }
    }
}

/// Returns the whole frames in a stream, up to one that is too long.
fn frames(mut bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let (length, rest) = bytes.split_first_chunk()?;
        let length = u32::from_be_bytes(*length) as usize;
        if length > LONGEST_FRAME {
            return None;
        }
        let frame = rest.get(..length)?;
        bytes = &rest[length..];
        Some(frame)
    })
}

fn is_of_a_socket(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::WouldBlock | ErrorKind::BrokenPipe | ErrorKind::ConnectionReset
    )
}
