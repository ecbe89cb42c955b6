//! A device in memory that hands the frames of a batch to a server one by one, and keeps what the
//! server sends, without an allocation for each frame.

use smoltcp::phy::{ChecksumCapabilities, Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::time::Instant;

/// The link between the server and a peer that makes its segments by hand.
#[derive(Default)]
pub(super) struct Wire {
    incoming: Vec<Vec<u8>>,
    /// The number of those that the server has taken, and the number that it may take.
    taken: usize,
    arrived: usize,
    sent: Sent,
}

/// The frames that the server has sent, one behind the other.
#[derive(Default)]
struct Sent {
    bytes: Vec<u8>,
    lengths: Vec<usize>,
}

impl Wire {
    /// Puts frames on their way to the server, and forgets what there was before.
    pub(super) fn load(&mut self, frames: Vec<Vec<u8>>) {
        self.incoming = frames;
        (self.taken, self.arrived) = (0, 0);
        self.sent.bytes.clear();
        self.sent.lengths.clear();
    }

    /// So many more of them arrive.
    pub(super) fn arrive(&mut self, frames: usize) {
        self.arrived = self.incoming.len().min(self.arrived + frames);
    }

    /// The frame that the server takes next.
    pub(super) fn next(&self) -> Option<&[u8]> {
        let next = self.incoming[..self.arrived].get(self.taken)?;
        Some(next)
    }

    /// The frames that the server has sent.
    pub(super) fn sent(&self) -> impl Iterator<Item = &[u8]> {
        let mut left = &self.sent.bytes[..];
        self.sent.lengths.iter().map(move |&length| {
            let (frame, rest) = left.split_at(length);
            left = rest;
            frame
        })
    }
}

impl Device for Wire {
    type RxToken<'a> = Incoming<'a>;
    type TxToken<'a> = Outgoing<'a>;

    fn receive(&mut self, _: Instant) -> Option<(Incoming<'_>, Outgoing<'_>)> {
        let frame = self.incoming[..self.arrived].get(self.taken)?;
        self.taken += 1;
        Some((Incoming(frame), Outgoing(&mut self.sent)))
    }

    fn transmit(&mut self, _: Instant) -> Option<Outgoing<'_>> {
        Some(Outgoing(&mut self.sent))
    }

    /// No checksums: what is left is the work of finding the connection and of serving it.
    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ip;
        capabilities.max_transmission_unit = 1500;
        capabilities.checksum = ChecksumCapabilities::ignored();
        capabilities
    }
}

pub(super) struct Incoming<'a>(&'a [u8]);

impl RxToken for Incoming<'_> {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(self.0)
    }
}

pub(super) struct Outgoing<'a>(&'a mut Sent);

impl TxToken for Outgoing<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, f: F) -> R {
        let Sent { bytes, lengths } = self.0;
        let start = bytes.len();
        bytes.resize(start + length, 0);
        lengths.push(length);
        f(&mut bytes[start..])
    }
}
