//! A hostile network for a running server: honest clients, which notice everything, beside peers
//! that do what they should not.

mod adapter;
mod honest;
mod mob;
mod server;
pub mod torture;

use std::io;
use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant};

use linecho_devices::netns;

pub use adapter::Adapter;
pub use honest::Figures;
pub use mob::Did;

use honest::Honest;
use mob::Mob;
use server::{Level, Server};

/// The time of a round: hostile peers of all kinds, a flood of connections, one of SYNs, a rest.
const ROUND: Duration = Duration::from_secs(10);
/// The longest that a server may take to come to rest when all hostile peers have left.
const REST: Duration = Duration::from_secs(30);

/// The result of a run.
#[derive(Debug)]
pub struct Outcome {
    /// What hostile peers did.
    pub did: Did,
    /// What the honest clients of the beset server saw.
    pub honest: Figures,
    /// What those of the other server saw.
    pub unmolested: Figures,
    /// Restarts of both servers.
    pub restarts: u64,
    /// The most bytes that a server's memory grew by after its first flood.
    pub growth: u64,
    /// Resident memory at the end, in bytes.
    pub memory: u64,
    /// Descriptors that a server had more at its end than after its first flood.
    pub leaked: u64,
}

/// Besets a server for `duration`, in a network namespace of its own, and prints a line for each
/// round. Call it before any thread is started.
///
/// # Errors
///
/// When the system lacks the means, or a server does not start, or does not come to rest.
pub fn run(adapter: Adapter, duration: Duration, seed: u64) -> io::Result<Outcome> {
    netns::enter().map_err(|error| io::Error::other(error.to_string()))?;
    server::raise_limit()?;
    let _replies = mob::way_for_replies(adapter)?;
    let mut beset = Server::start(adapter, 0)?;
    let mut other = Server::start(adapter, 1)?;
    let honest = Honest::start(beset.address(), seed);
    let unmolested = Honest::start(other.address(), seed);
    let mut mob = Mob::new(beset.address(), adapter, seed)?;
    let began = Instant::now();
    let rounds = (duration.as_secs() / ROUND.as_secs()).max(1);
    let mut first: Option<Level> = None;
    let (mut growth, mut leaked, mut restarts) = (0, 0, 0);
    let mut last = beset.level()?;
    println!("seconds  flooded  SYNs     honest lines  lost  memory KiB  descriptors  threads");
    for round in 1..=rounds {
        mob.round(ROUND)?;
        let level = rested(&beset, first.as_ref())?;
        let reference = *first.get_or_insert(level);
        growth = growth.max(level.memory.saturating_sub(reference.memory));
        leaked = leaked.max(level.files.saturating_sub(reference.files) as u64);
        last = level;
        let (lines, lost) = honest.so_far();
        println!(
            "{:<8} {:<8} {:<8} {lines:<13} {lost:<5} {:<11} {:<12} {}",
            began.elapsed().as_secs(),
            mob.did.flooded,
            mob.did.syns,
            level.memory / 1024,
            level.files,
            level.threads,
        );
        // After a third and after two thirds.
        if round < rounds && (round == rounds.div_ceil(3) || round == (2 * rounds).div_ceil(3)) {
            for clients in [&honest, &unmolested] {
                clients.restarting.store(true, SeqCst);
            }
            beset.restart()?;
            other.restart()?;
            for clients in [&honest, &unmolested] {
                clients.settle(REST)?;
                clients.restarting.store(false, SeqCst);
            }
            first = None;
            restarts += 1;
        }
    }
    let (honest, unmolested) = (honest.finish(), unmolested.finish());
    for why in honest.lost.iter().chain(&unmolested.lost) {
        eprintln!("lost: {why}");
    }
    beset.stop()?;
    other.stop()?;
    Ok(Outcome {
        did: mob.did,
        honest,
        unmolested,
        restarts,
        growth,
        memory: last.memory,
        leaked,
    })
}

/// Waits until the server has no more descriptors than after its first flood, and returns its
/// level; what it is after [`REST`], if that does not come.
fn rested(server: &Server, first: Option<&Level>) -> io::Result<Level> {
    const PAUSE: Duration = Duration::from_millis(100);
    let until = Instant::now() + REST;
    let mut before = server.level()?;
    loop {
        std::thread::sleep(PAUSE);
        let level = server.level()?;
        let is_at_rest = match first {
            Some(first) => level.files <= first.files,
            // As many as the honest clients need, and what the server itself has.
            None => level.files == before.files && level.files <= server.files_at_rest(),
        };
        if is_at_rest || Instant::now() > until {
            return Ok(level);
        }
        before = level;
    }
}
