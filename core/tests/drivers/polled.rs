//! The polled drivers against scripted transports.

mod flushing;
mod probing;
mod serving;

use crate::scripted::Scripted;
use linecho_core::polled::{self, Turn};
use linecho_core::{Config, Instant, Reason, Session};

const PLENTY: usize = 1 << 20;
const NOW: Instant = Instant::ZERO;

fn session(capacity: usize) -> Session<Vec<u8>> {
    with_config(capacity, Config::new())
}

fn with_config(capacity: usize, config: Config) -> Session<Vec<u8>> {
    Session::new(vec![0; capacity], config, NOW)
}

/// Gives a session a turn, after which nothing waits in the transport's buffer unless the session
/// wants to write.
fn serve(session: &mut Session<Vec<u8>>, io: &mut Scripted, now: Instant, budget: usize) -> Turn {
    let turn = polled::serve(session, io, now, budget);
    if let Turn::Again
    | Turn::Wait { write: false, .. }
    | Turn::Ended(Reason::PeerClosed | Reason::Shutdown) = turn
    {
        assert!(!io.holds_back(), "waits with something unflushed");
    }
    turn
}

/// Waits without a deadline.
fn waits(read: bool, write: bool) -> Turn {
    Turn::Wait {
        read,
        write,
        until: None,
    }
}
