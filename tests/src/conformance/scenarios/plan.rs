//! What a peer is to do, as a scenario says it.

use std::io;
use std::time::Duration;

/// At most so many bytes are moved in a turn, so that no client holds up the others.
pub(super) const TURN: usize = 1 << 20;

/// The behaviour of a client. Can be changed while it runs.
#[derive(Clone, Debug)]
pub struct Plan {
    /// It sends so many bytes of its text for now.
    pub send_up_to: usize,
    /// It sends pieces of 1 to so many bytes, one a turn.
    pub pieces: usize,
    /// Its way to read.
    pub reads: Reads,
    /// It shuts down its sending side when it has sent its text.
    pub half_close: bool,
    /// It may be closed or reset by the server at any time.
    pub may_break: bool,
    /// Tries again if its connection breaks before anything came back. One that is refused always
    /// does: not every stack has a queue for those who come while all places are taken.
    pub tries_again: bool,
}

impl Default for Plan {
    /// Sends as fast as it can, reads all, and half-closes.
    fn default() -> Self {
        Self {
            send_up_to: usize::MAX,
            pieces: TURN,
            reads: Reads::All,
            half_close: true,
            may_break: false,
            tries_again: false,
        }
    }
}

/// A client's way to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reads {
    /// All there is.
    All,
    /// Nothing.
    Nothing,
    /// One byte, then nothing for so long.
    OneByteEvery(Duration),
    /// Up to so many bytes a turn.
    Pieces(usize),
}

/// The end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The server closed.
    Closed,
    /// It broke.
    Broken(io::ErrorKind),
    /// The client itself broke it off.
    Left,
}
