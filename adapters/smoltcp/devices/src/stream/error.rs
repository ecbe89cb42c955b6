//! Errors of a framed stream, and the commands that mend them.

use std::error::Error;
use std::fmt;
use std::io;
use std::path::PathBuf;

use super::MTUS;
use super::queue::MAX_FRAME_LEN;

/// An error of a stream that could not be opened, or has ended.
#[derive(Debug)]
#[non_exhaustive]
pub enum StreamError {
    /// The MTU is not among [`MTUS`].
    BadMtu {
        /// The MTU that was asked for, in IP bytes.
        mtu: usize,
    },
    /// Nobody could be reached at the path.
    Connect {
        /// The path of the socket.
        path: PathBuf,
        /// The kernel's answer.
        source: io::Error,
    },
    /// The peer has closed the stream.
    Closed,
    /// The peer has announced a frame that is longer than any: it speaks something else, or the
    /// stream is out of step.
    FrameTooLong {
        /// The length that it announced, in bytes.
        len: u32,
    },
    /// The socket failed.
    Io(io::Error),
}

impl fmt::Display for StreamError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadMtu { mtu } => {
                let (least, most) = (MTUS.start(), MTUS.end());
                write!(
                    f,
                    "cannot use an MTU of {mtu}: it must be from {least} to {most}"
                )
            }
            Self::Connect { path, source } => {
                let path = path.display();
                write!(
                    f,
                    "cannot connect to the UNIX socket {path}: {source}\n  Start what listens there \
                     first, such as: passt --foreground --socket {path}"
                )
            }
            Self::Closed => f.write_str("the peer of the UNIX socket has closed it"),
            Self::FrameTooLong { len } => write!(
                f,
                "the peer of the UNIX socket announced a frame of {len} bytes, where {MAX_FRAME_LEN} \
                 is the most\n  It must send each Ethernet frame behind its length as a 32-bit \
                 big-endian number, as passt and QEMU's `-netdev stream` do"
            ),
            Self::Io(source) => write!(f, "the UNIX socket failed: {source}"),
        }
    }
}

impl Error for StreamError {}
