//! Ways to reach an echo server: each starts one, and carries bytes between it and peers that a
//! scenario plays.

#[cfg(unix)]
pub mod firmware;
pub mod link;
pub mod memory;
#[cfg(target_os = "linux")]
pub mod passt;
#[cfg(unix)]
pub mod program;
pub mod sockets;
#[cfg(target_os = "linux")]
mod stack;
pub mod std_server;
#[cfg(target_os = "linux")]
pub mod tap;

use std::io;
use std::time::Duration;

use linecho_core::{LongLines, Totals};

use linecho_trials::Stop;

/// A kind of server and of network.
pub trait Reach: Send + Sync {
    /// Its name in the list of tests.
    fn name(&self) -> String;

    /// A time in which a line surely makes its way there and back. The deadlines that scenarios ask
    /// for, and their patience, are multiples of it.
    fn pace(&self) -> Duration;

    /// With how many seeds a scenario runs. One where the seed does not make all of the difference.
    fn seeds(&self) -> u64;

    /// Starts a server. Everything that is left to chance follows from `seed`.
    ///
    /// # Errors
    ///
    /// [`Stop::NotApplicable`] when this server cannot do what is wanted.
    fn start(&self, wanted: &Wanted, seed: u64) -> Result<Box<dyn Network>, Stop>;
}

/// The settings that a scenario needs of a server. The default is the server's own.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// The policy for a line that does not fit.
    pub long_lines: LongLines,
    /// No deadline if `None`.
    pub idle_timeout: Option<Duration>,
    /// No deadline if `None`.
    pub write_timeout: Option<Duration>,
    /// The number of connections served at a time. A server whose number is fixed keeps to its
    /// own.
    pub connections: Option<usize>,
}

/// The properties of a server and of the network to it.
#[derive(Clone, Copy, Debug)]
pub struct Facts {
    /// The longest line that goes back in one piece, in bytes, its `\n` included.
    pub buffer: usize,
    /// The number of connections served at a time.
    pub connections: usize,
    /// The most bytes that can be between what a peer sends and what it gets back: in the buffers
    /// of the network and of the server.
    pub in_transit: usize,
    /// True if the server sees a connection before anything was sent over it. passt keeps such a
    /// one back.
    pub sees_silent: bool,
    /// As many bytes as can be echoed without trying a tester's patience.
    pub bulk: usize,
}

/// A peer of the server: one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer(pub usize);

/// A running server, and the network between it and the peers. No call waits, but for
/// [`step`](Self::step).
pub trait Network {
    /// Its properties.
    fn facts(&self) -> Facts;

    /// The time on the network's clock: the wall's or a virtual one.
    fn now(&self) -> Duration;

    /// Lets things happen: waits until some may have, but not for long, or advances the virtual
    /// time.
    ///
    /// # Errors
    ///
    /// [`Stop::Failed`] when the server or the network broke down.
    fn step(&mut self) -> Result<(), Stop>;

    /// Begins to connect.
    ///
    /// # Errors
    ///
    /// When that fails at once.
    fn open(&mut self) -> io::Result<Peer>;

    /// True if it is connected by now.
    ///
    /// # Errors
    ///
    /// When it could not be.
    fn is_connected(&mut self, peer: Peer) -> io::Result<bool>;

    /// Sends as much of `bytes` as goes; 0 if nothing does now.
    ///
    /// # Errors
    ///
    /// When the connection is broken.
    fn send(&mut self, peer: Peer, bytes: &[u8]) -> io::Result<usize>;

    /// Receives what has come back: `None` if nothing has yet, 0 bytes if the server has closed.
    ///
    /// # Errors
    ///
    /// When the connection is broken.
    fn receive(&mut self, peer: Peer, buffer: &mut [u8]) -> io::Result<Option<usize>>;

    /// Shuts down the sending side, behind everything that was sent.
    ///
    /// # Errors
    ///
    /// When the connection is broken.
    fn half_close(&mut self, peer: Peer) -> io::Result<()>;

    /// Breaks the connection off with a reset.
    fn reset(&mut self, peer: Peer);

    /// Closes both sides, and forgets the peer.
    fn close(&mut self, peer: Peer);

    /// The server's totals, where they can be read.
    fn totals(&mut self) -> Option<Totals> {
        None
    }

    /// Asks the server to shut down.
    ///
    /// # Errors
    ///
    /// [`Stop::NotApplicable`] when it cannot be asked.
    fn shut_down(&mut self) -> Result<(), Stop> {
        Err(Stop::NotApplicable(
            "this server cannot be shut down".into(),
        ))
    }

    /// True if it has shut down.
    ///
    /// # Errors
    ///
    /// [`Stop::Failed`] when it ended in another way than it should.
    fn is_down(&mut self) -> Result<bool, Stop> {
        Ok(false)
    }
}
