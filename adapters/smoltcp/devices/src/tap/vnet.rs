//! The virtio-net header, by which the kernel and we leave checksums and segmentation to each
//! other.
//!
//! Before each frame on the file descriptor goes a header of ten bytes, `struct virtio_net_hdr` of
//! [virtio 1.2, section 5.1.6](https://docs.oasis-open.org/virtio/virtio/v1.2/virtio-v1.2.html).
//! Only TCP is offloaded: smoltcp is told to neither fill in nor verify its checksum. All the other
//! checksums stay with smoltcp, so what the kernel left out of those is filled in here.

use core::num::NonZeroU16;

use smoltcp::wire::{IpAddress, checksum};

use super::path_mtu::PathMtus;
use crate::segment::{self, Segment, lowered};

/// The checksum is not filled in yet: the field holds the sum of the pseudo-header only.
const NEEDS_CSUM: u8 = 1;
/// The checksum is verified already.
const DATA_VALID: u8 = 2;

const GSO_NONE: u8 = 0;
const GSO_TCPV4: u8 = 1;
const GSO_TCPV6: u8 = 4;

/// The place of the checksum in a TCP header; UDP has it at 6.
const TCP_CHECKSUM: u16 = 16;

/// The fate of a frame from the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The stack gets it.
    Accept,
    /// Its checksum is wrong, or the header contradicts it.
    Corrupt,
    /// It holds a fragment of a TCP segment, whose checksum is that of the whole.
    Fragment,
}

/// The header before each frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    flags: u8,
    segmentation: u8,
    /// Length of all headers of the frame, in bytes; a hint.
    header_len: u16,
    /// TCP payload of each segment of a frame that is to be segmented, in bytes.
    segment_len: u16,
    /// The first byte that the checksum covers, counted from the start of the frame.
    checksum_start: u16,
    /// The place of the checksum, counted from `checksum_start`.
    checksum_offset: u16,
}

impl Header {
    pub(super) const LEN: usize = 10;

    /// A frame that is complete as it is.
    const COMPLETE: Self = Self {
        flags: 0,
        segmentation: GSO_NONE,
        header_len: 0,
        segment_len: 0,
        checksum_start: 0,
        checksum_offset: 0,
    };

    pub(super) fn from_bytes(bytes: &[u8; Self::LEN]) -> Self {
        let field = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
        Self {
            flags: bytes[0],
            segmentation: bytes[1],
            header_len: field(2),
            segment_len: field(4),
            checksum_start: field(6),
            checksum_offset: field(8),
        }
    }

    pub(super) fn to_bytes(self) -> [u8; Self::LEN] {
        let mut bytes = [0; Self::LEN];
        bytes[0] = self.flags;
        bytes[1] = self.segmentation;
        bytes[2..4].copy_from_slice(&self.header_len.to_le_bytes());
        bytes[4..6].copy_from_slice(&self.segment_len.to_le_bytes());
        bytes[6..8].copy_from_slice(&self.checksum_start.to_le_bytes());
        bytes[8..10].copy_from_slice(&self.checksum_offset.to_le_bytes());
        bytes
    }

    /// Makes a frame that smoltcp has built ready for the kernel: a TCP segment gets a smaller
    /// window (see `segment.rs`), and in its checksum field the sum of the pseudo-header. The
    /// kernel is asked to do the rest, and to cut the payload into segments of `segment_len` bytes,
    /// or of what fits through a narrower link on the way.
    pub(super) fn for_outgoing(
        frame: &mut [u8],
        segment_len: Option<NonZeroU16>,
        paths: &PathMtus,
    ) -> Self {
        let Some(tcp) = Segment::find(frame) else {
            return Self::COMPLETE;
        };
        let (Ok(start), Ok(header_len)) = (
            u16::try_from(tcp.start),
            u16::try_from(tcp.start + tcp.header_len),
        ) else {
            return Self::COMPLETE;
        };
        let mut segment = tcp.packet(frame);
        segment.set_window_len(lowered(segment.window_len()));
        segment.set_checksum(tcp.pseudo_header_sum());
        let segment_len = paths.segment_len(&tcp, segment_len);
        Self {
            flags: NEEDS_CSUM,
            segmentation: match (segment_len, tcp.source) {
                (None, _) => GSO_NONE,
                (Some(_), IpAddress::Ipv4(_)) => GSO_TCPV4,
                (Some(_), IpAddress::Ipv6(_)) => GSO_TCPV6,
            },
            header_len,
            segment_len: segment_len.map_or(0, NonZeroU16::get),
            checksum_start: start,
            checksum_offset: TCP_CHECKSUM,
        }
    }

    /// Makes a frame from the kernel ready for smoltcp, and says whether it may have it. A VLAN tag
    /// of `tag` bytes was taken out of the frame after the kernel had written the header.
    ///
    /// A TCP checksum that the kernel has not filled in is that of data which never left this
    /// machine, and one that it has verified needs no second look; any other is verified here,
    /// since smoltcp does not.
    pub(super) fn accept_incoming(self, frame: &mut [u8], tag: usize) -> Verdict {
        let is_right = if self.flags & NEEDS_CSUM != 0 {
            self.checksum_offset == TCP_CHECKSUM || self.fill_in_checksum(frame, tag)
        } else if self.flags & DATA_VALID != 0 {
            true
        } else if let Some(tcp) = Segment::find(frame) {
            tcp.has_right_checksum(frame)
        } else if segment::is_fragment(frame) {
            return Verdict::Fragment;
        } else {
            // smoltcp verifies by itself what is not TCP.
            true
        };
        if is_right {
            Verdict::Accept
        } else {
            Verdict::Corrupt
        }
    }

    /// Finishes the checksum of anything but TCP. False when the header contradicts the frame.
    fn fill_in_checksum(self, frame: &mut [u8], tag: usize) -> bool {
        let start = usize::from(self.checksum_start).checked_sub(tag);
        let Some((start, covered)) = start.and_then(|start| Some((start, frame.get(start..)?)))
        else {
            return false;
        };
        let at = start + usize::from(self.checksum_offset);
        let sum = match !checksum::data(covered) {
            // In UDP zero says that there is no checksum (RFC 768).
            0 => 0xffff,
            sum => sum,
        };
        let Some(field) = frame.get_mut(at..at + 2) else {
            return false;
        };
        field.copy_from_slice(&sum.to_be_bytes());
        true
    }
}

#[cfg(test)]
mod tests;
