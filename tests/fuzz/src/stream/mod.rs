//! Bytes into the framed stream device, from a peer that may also be slow to read, over a stream
//! that moves as much as the input says.

mod wire;

use std::cell::RefCell;
use std::io::ErrorKind;
use std::rc::Rc;

use arbitrary::Unstructured;
use linecho_devices::stream::{Passt, StreamError};
use linecho_smoltcp::smoltcp::phy::{Device, RxToken, TxToken};
use linecho_smoltcp::smoltcp::time::Instant;

use wire::{Stream, Wire};

/// The longest frame that a peer may send, in bytes: header, VLAN tag, and the longest IP packet.
const LONGEST_FRAME: usize = 14 + 4 + 65_535;
const MTU: usize = 1500;
/// The room of the stream at first, in bytes.
const ROOM: usize = 300;
/// Calls of one input.
const STEPS: usize = 64;

type FramedStream = linecho_devices::stream::FramedStream<Stream>;

/// Sends the bytes that `input` names into a device, in pieces, while it sends frames itself.
pub fn framed_stream(input: &[u8]) {
    // It cannot fail: the input only ends.
    let _ = play(&mut Unstructured::new(input));
}

fn play(input: &mut Unstructured<'_>) -> arbitrary::Result<()> {
    let shape: u8 = input.arbitrary()?;
    let wire = Rc::new(RefCell::new(Wire {
        room: ROOM,
        most: usize::MAX,
        ..Wire::default()
    }));
    let device = FramedStream::over(Stream(Rc::clone(&wire)), MTU).expect("a device");
    let peer = Peer {
        wire,
        frames: 0,
        framed: 0,
        sent: 0,
        sent_bytes: 0,
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
    wire: Rc<RefCell<Wire>>,
    /// Frames that the device has handed over, and the bytes that they took in the stream.
    frames: u64,
    framed: usize,
    /// Frames that the device was given, and took, and their bytes.
    sent: u64,
    sent_bytes: u64,
}

fn run<D: Device>(
    mut device: D,
    stream: impl Fn(&D) -> &FramedStream,
    mut peer: Peer,
    input: &mut Unstructured<'_>,
    exact: bool,
) -> arbitrary::Result<()> {
    for _ in 0..STEPS {
        if input.is_empty() {
            break;
        }
        let step: u8 = input.arbitrary()?;
        let size = usize::from(step >> 3);
        match step & 7 {
            0 => {
                let bytes = input.bytes((8 * size + 1).min(input.len()))?;
                peer.write(&[bytes]);
            }
            // A frame with its length.
            1 | 2 => {
                let bytes = input.bytes((8 * size + 14).min(input.len()))?;
                let length = bytes.len() as u32;
                peer.write(&[&length.to_be_bytes(), bytes]);
            }
            3 => {
                // Two or three of the longest fill the device's buffer.
                let len = match size {
                    31 => input.arbitrary::<u16>()?.into(),
                    _ => size * 4,
                };
                let answer = (size % 2 == 1).then_some(len);
                peer.take(&mut device, &stream, answer, exact);
            }
            4 | 5 => {
                let (fill, len) = (input.arbitrary()?, 14 + 2 * size);
                if let Some(tx) = device.transmit(Instant::ZERO) {
                    tx.consume(len, |frame| frame.fill(fill));
                    peer.sent(len);
                } else {
                    assert!(stream(&device).is_blocked(), "it takes nothing");
                }
            }
            6 => {
                let wire = &mut *peer.wire.borrow_mut();
                match size {
                    0 => wire.interrupted = true,
                    1..=7 => wire.most = [1, 2, 3, 5, 20, 100, usize::MAX][size - 1],
                    _ => wire.room += size * 16,
                }
            }
            _ if size < 3 => {
                let kinds = [
                    ErrorKind::BrokenPipe,
                    ErrorKind::ConnectionReset,
                    ErrorKind::Other,
                ];
                peer.wire.borrow_mut().closed.get_or_insert(kinds[size]);
            }
            _ => peer.take(&mut device, &stream, None, exact),
        }
        peer.check(stream(&device));
    }
    peer.settle(&mut device, &stream, exact);
    peer.wire.borrow_mut().closed = Some(ErrorKind::BrokenPipe);
    assert!(device.receive(Instant::ZERO).is_none());
    assert!(stream(&device).error().is_some(), "the end goes unnoticed");
    assert!(!stream(&device).is_blocked());
    Ok(())
}

impl Peer {
    fn write(&mut self, parts: &[&[u8]]) {
        let wire = &mut *self.wire.borrow_mut();
        if wire.closed.is_none() {
            parts
                .iter()
                .for_each(|part| wire.to_device.extend_from_slice(part));
        }
    }

    /// Counts a frame that the device was given.
    fn sent(&mut self, len: usize) {
        self.sent += 1;
        self.sent_bytes += len as u64;
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
        rx.consume(|frame| {
            let wire = self.wire.borrow();
            let expected = next_frame(&wire.to_device[self.framed..]);
            let expected = expected.expect("a frame that was not sent whole");
            // A priority tag is taken off.
            let stripped = expected.len() == frame.len() + 4;
            if exact && !stripped {
                assert_eq!(frame, expected);
            } else {
                assert!(stripped || frame.len() == expected.len());
            }
            self.framed += 4 + expected.len();
            self.frames += 1;
        });
        if let Some(len) = answer {
            tx.consume(14 + len, |frame| frame.fill(b'a'));
            self.sent(14 + len);
        } else {
            drop(tx);
        }
        assert_eq!(stream(device).counters().received, self.frames);
    }

    /// What is left comes and goes, in both directions.
    fn settle<D: Device>(
        &mut self,
        device: &mut D,
        stream: &impl Fn(&D) -> &FramedStream,
        exact: bool,
    ) {
        {
            let wire = &mut *self.wire.borrow_mut();
            (wire.room, wire.most) = (usize::MAX, usize::MAX);
            wire.interrupted = false;
        }
        loop {
            let before = self.frames;
            self.take(device, stream, None, exact);
            if self.frames == before {
                break;
            }
        }
        self.check(stream(device));
        if stream(device).error().is_some() {
            return;
        }
        let wire = self.wire.borrow();
        let rest = next_frame(&wire.to_device[self.framed..]);
        assert_eq!(rest, None, "a frame is missing");
        assert!(!stream(device).is_blocked());
        let counters = stream(device).counters();
        let frames = frames(&wire.from_device);
        assert_eq!(frames.count() as u64, counters.sent);
        let bytes = counters.sent_bytes + 4 * counters.sent;
        assert_eq!(wire.from_device.len() as u64, bytes);
    }

    /// Checks that each frame that the device was given counts as sent or as dropped, and that it
    /// tells the truth about its state.
    fn check(&self, stream: &FramedStream) {
        let counters = stream.counters();
        let dropped = counters.dropped_full + counters.dropped_ended;
        assert_eq!(counters.sent + dropped, self.sent);
        assert!(counters.sent_bytes <= self.sent_bytes);
        let wire = self.wire.borrow();
        match stream.error() {
            None => {
                let queued = counters.sent_bytes + 4 * counters.sent;
                let waits = wire.from_device.len() as u64 != queued;
                assert_eq!(stream.is_blocked(), waits);
            }
            Some(error) => {
                let broken = matches!(error, StreamError::FrameTooLong { .. });
                assert!(broken || wire.closed.is_some(), "{error}");
            }
        }
    }
}

/// Returns the first frame in a stream, if it is whole.
fn next_frame(bytes: &[u8]) -> Option<&[u8]> {
    let (length, rest) = bytes.split_first_chunk()?;
    let length = u32::from_be_bytes(*length) as usize;
    if length > LONGEST_FRAME {
        return None;
    }
    rest.get(..length)
}

/// Returns the whole frames in a stream.
fn frames(mut bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let frame = next_frame(bytes)?;
        bytes = &bytes[4 + frame.len()..];
        Some(frame)
    })
}
