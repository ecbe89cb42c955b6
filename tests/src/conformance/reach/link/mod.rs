//! The listener of linecho-smoltcp over a link in memory with faults, in virtual time: what takes
//! hours passes in milliseconds, and a seed gives the same run each time.

mod peers;
mod server;

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use linecho_devices::faulty::{Faults, Side};
use linecho_devices::testing::World;
use linecho_smoltcp::smoltcp::phy::Medium;
use linecho_smoltcp::smoltcp::wire::{IpAddress, IpCidr};
use linecho_smoltcp::{Config, Instant, Options, Totals, Wake, from_stack_time, stack_time};
use linecho_trials::Stop;
use peers::Peers;
use server::{Server, Sizes};

use super::{Facts, Network, Peer, Reach, Wanted};

/// A kind of link.
#[derive(Clone, Debug)]
pub struct Link {
    /// Its name.
    pub name: &'static str,
    /// The faults of the frames, in both directions.
    pub faults: Faults,
    /// Served by a `HashedListener` in place of a `Listener`.
    pub hashed: bool,
    /// See [`Reach::pace`].
    pub pace: Duration,
    /// See [`Reach::seeds`].
    pub seeds: u64,
    /// See [`Facts::bulk`].
    pub bulk: usize,
    done: Arc<Mutex<Frames>>,
}

/// The counts of links of one kind, over all servers that have ended.
#[derive(Clone, Copy, Debug, Default)]
pub struct Frames {
    /// Connections that the servers accepted.
    pub connections: u64,
    /// Bytes that the servers echoed.
    pub bytes: u64,
    /// Frames sent by either side.
    pub sent: u64,
    /// Of these, those that were lost.
    pub lost: u64,
    /// Those that arrived twice.
    pub duplicated: u64,
    /// Those that others overtook.
    pub held_back: u64,
    /// Those that arrived with a flipped bit.
    pub corrupted: u64,
    /// The time that passed on the clocks of the links, in seconds.
    pub virtual_seconds: f64,
}

impl Link {
    /// A link without faults.
    #[must_use]
    pub fn clean() -> Self {
        Self {
            name: "link_clean",
            faults: clean(Duration::from_micros(500)),
            hashed: false,
            pace: Duration::from_secs(5),
            seeds: 3,
            bulk: 1 << 20,
            done: Arc::default(),
        }
    }

    /// A link on which so many of 1,000 frames are lost, as many doubled, as many overtaken by
    /// others, and as many damaged.
    #[must_use]
    pub fn faulty(permille: u16) -> Self {
        Self {
            name: "link_faulty",
            faults: Faults {
                delay: Duration::from_millis(5),
                jitter: Duration::from_millis(3),
                loss_permille: permille,
                duplicate_permille: permille,
                reorder_permille: permille,
                corrupt_permille: permille,
                ..Faults::NONE
            },
            hashed: false,
            // A third of the frames are gone, and TCP waits longer each time, up to a minute.
            pace: Duration::from_secs(200),
            seeds: 3,
            bulk: 20_000,
            done: Arc::default(),
        }
    }

    /// The same, but served by a `HashedListener`.
    #[must_use]
    pub fn hashed(self, name: &'static str) -> Self {
        Self {
            name,
            hashed: true,
            ..self
        }
    }

    /// The counts so far.
    #[must_use]
    pub fn frames(&self) -> Frames {
        *self.done.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The options of the server's sockets. On a bad link they have more patience than by default:
    /// nothing may be lost.
    fn options(&self, session: Config) -> Options {
        if self.faults.loss_permille == 0 {
            return session.into();
        }
        Options {
            dead_peer_timeout: Some(self.pace * 20),
            handshake_timeout: self.pace * 20,
            close_timeout: self.pace * 5,
            ..session.into()
        }
    }
}

fn clean(delay: Duration) -> Faults {
    Faults {
        delay,
        ..Faults::NONE
    }
}

impl Reach for Link {
    fn name(&self) -> String {
        self.name.into()
    }

    fn pace(&self) -> Duration {
        self.pace
    }

    fn seeds(&self) -> u64 {
        self.seeds
    }

    fn start(&self, wanted: &Wanted, seed: u64) -> Result<Box<dyn Network>, Stop> {
        Ok(Box::new(Linked::start(self, wanted, seed)?))
    }
}

/// The peers and the server, and the link between them.
struct Linked {
    world: World,
    /// The longest step: a client may want to do something meanwhile.
    longest_step: Duration,
    peers: Peers,
    server: Server,
    wake: Wake,
    facts: Facts,
    done: Arc<Mutex<Frames>>,
}

impl Drop for Linked {
    fn drop(&mut self) {
        let mut done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
        let totals = self.server.totals();
        done.connections += totals.opened;
        done.bytes += totals.counters.bytes_out;
        done.virtual_seconds += self.now().as_secs_f64();
        for side in [Side::A, Side::B] {
            let counters = self.world.link.counters(side);
            done.sent += counters.sent;
            done.lost += counters.lost;
            done.duplicated += counters.duplicated;
            done.held_back += counters.held_back;
            done.corrupted += counters.corrupted;
        }
    }
}

impl Linked {
    fn start(kind: &Link, wanted: &Wanted, seed: u64) -> Result<Self, Stop> {
        let mut rng = fastrand::Rng::with_seed(seed);
        let session = Config::new()
            .long_lines(wanted.long_lines)
            .idle_timeout(wanted.idle_timeout)
            .write_timeout(wanted.write_timeout);
        // Where segments get lost, buffers hold at least a whole one: smoltcp 0.14 sends a lost
        // segment again whether it fits in the window or not, and then forgets what did
        // not.
        let bad = kind.faults.loss_permille + kind.faults.corrupt_permille > 0;
        let sizes = Sizes::by_chance(
            &mut rng,
            bad,
            kind.hashed,
            seed % 64 == 1,
            wanted.connections,
        );
        let mtu = rng.choice([1280, 1500]).unwrap_or(1500);
        let v6 = rng.bool();

        let mut world = World::new(Medium::Ip, mtu, seed, kind.faults);
        let [server, peer] = [address(v6, 1), address(v6, 2)];
        let peers = world.host(Side::A, [peer], seed);
        let host = world.host(Side::B, [server], seed + 1);
        let peers_ring = sizes.ring(&mut rng);
        let in_transit = sizes.receive + sizes.send + 2 * peers_ring + sizes.line;
        let peers = Peers::new(peers, (server.address(), server::PORT), peers_ring);
        let server = Server::new(host, kind.hashed, &sizes, kind.options(session));
        Ok(Self {
            world,
            longest_step: kind.pace / 100,
            peers,
            server: server.map_err(|error| Stop::Failed(format!("cannot listen: {error}")))?,
            wake: Wake::Again,
            facts: Facts {
                buffer: sizes.line,
                connections: sizes.slots,
                in_transit,
                sees_silent: true,
                bulk: kind.bulk.max(in_transit + 20_000),
            },
            done: Arc::clone(&kind.done),
        })
    }

    fn time(&self) -> Instant {
        from_stack_time(self.world.now())
    }
}

/// The address of a host on the link.
fn address(v6: bool, host: u8) -> IpCidr {
    if v6 {
        IpCidr::new(IpAddress::v6(0xfd00, 0, 0, 0, 0, 0, 0, host.into()), 64)
    } else {
        IpCidr::new(IpAddress::v4(10, 0, 0, host), 8)
    }
}

impl Network for Linked {
    fn facts(&self) -> Facts {
        self.facts
    }

    fn now(&self) -> Duration {
        self.time().saturating_duration_since(Instant::ZERO)
    }

    /// A turn of both stacks; then the time moves on to when something happens next.
    fn step(&mut self) -> Result<(), Stop> {
        self.peers.turn(&mut self.world);
        // The server gets a turn when it asked for one, or a frame is there: a wake that is missing
        // or late shows.
        let now = self.time();
        if self.world.has_frame(Side::B) || self.wake <= Wake::At(now) {
            self.wake = self.server.turn(now, &mut self.world.link.end(Side::B));
        }
        // While peers are busy no time passes: how fast they are is not the matter.
        if std::mem::take(&mut self.peers.moved) {
            return Ok(());
        }
        let server = self.wake.timeout(now).map(|wait| stack_time(now + wait));
        let deadlines = [server, self.peers.deadline(&self.world)];
        self.world
            .pass(deadlines, self.longest_step)
            .map_err(|busy| Stop::Failed(format!("{busy}: server {:?}", self.wake)))
    }

    fn open(&mut self) -> io::Result<Peer> {
        self.peers.open()
    }

    fn is_connected(&mut self, peer: Peer) -> io::Result<bool> {
        self.peers.is_connected(peer)
    }

    fn send(&mut self, peer: Peer, bytes: &[u8]) -> io::Result<usize> {
        self.peers.send(peer, bytes)
    }

    fn receive(&mut self, peer: Peer, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        self.peers.receive(peer, buffer)
    }

    fn half_close(&mut self, peer: Peer) -> io::Result<()> {
        self.peers.half_close(peer);
        Ok(())
    }

    fn reset(&mut self, peer: Peer) {
        self.peers.reset(peer);
    }

    fn close(&mut self, peer: Peer) {
        self.peers.close(peer);
    }

    fn totals(&mut self) -> Option<Totals> {
        Some(self.server.totals())
    }

    fn shut_down(&mut self) -> Result<(), Stop> {
        self.server.shut_down();
        self.wake = Wake::Again;
        Ok(())
    }

    fn is_down(&mut self) -> Result<bool, Stop> {
        Ok(self.server.is_drained())
    }
}
